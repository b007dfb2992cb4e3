use super::*;
use crate::scratch::Folder;
use domain::ids::EventId;
use domain::log::{EventHash, Revision, StreamName};
use domain::ports::Keyring as _;
use std::collections::HashSet;

const ACCOUNT: AccountId = AccountId::from_bits(1);
const OTHER: AccountId = AccountId::from_bits(2);
const EVENT: EventId = EventId::minted(1, 1, 0, 1);

fn open(folder: &Folder) -> Result<Keyring, KeyringError> {
    let master = Master::File(folder.path().join("keyring.key"));
    let keyring = Keyring::open(&folder.path().join("keyring.db"), &master)?;
    keyring.ensure_accounts(&[ACCOUNT])?;
    Ok(keyring)
}

fn master(byte: u8) -> Master {
    Master::Bytes(Zeroizing::new([byte; 32]))
}

/// Whether any file of the folder holds these bytes.
fn holds(folder: &Folder, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(folder.path()).unwrap();
    // SQLite's journal may be gone again before it is read.
    files
        .filter_map(|file| std::fs::read(file.unwrap().path()).ok())
        .any(|file| file.windows(bytes.len()).any(|part| part == bytes))
}

#[test]
fn a_reopened_keyring_opens_what_was_sealed() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    keyring.ensure_accounts(&[OTHER]).unwrap();
    let sealed: Vec<_> = [ACCOUNT, OTHER]
        .map(|account| keyring.take(account).unwrap())
        .map(|(reference, key)| (reference, key.seal(reference, EVENT, "Noted", b"alice")))
        .into();
    drop(keyring);
    let keyring = open(&folder).unwrap();
    for (reference, sealed) in sealed {
        let key = keyring.key(reference).unwrap();
        assert_eq!(key.open(EVENT, "Noted", &sealed), Ok(b"alice".to_vec()));
    }
}

#[test]
fn no_key_stands_in_clear_in_any_file() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let (_, key) = keyring.take(ACCOUNT).unwrap();
    assert!(!holds(&folder, key.expose()));
    let master = std::fs::read(folder.path().join("keyring.key")).unwrap();
    let stored = std::fs::read(folder.path().join("keyring.db")).unwrap();
    assert!(!stored.windows(32).any(|part| part == master));
}

#[test]
fn an_erased_key_is_gone_and_its_bytes_are_in_no_file() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let taken: Vec<_> = (0..40).map(|_| keyring.take(ACCOUNT).unwrap().0).collect();
    let wrapped = |reference: KeyRef| -> Vec<u8> {
        let vault = lock(&keyring.shared.vault);
        vault.wrapped(reference)
    };
    let bytes: Vec<_> = taken.iter().map(|reference| wrapped(*reference)).collect();
    assert!(bytes.iter().all(|bytes| holds(&folder, bytes)));
    keyring.erase(&taken[..39]).unwrap();
    assert!(!bytes[..39].iter().any(|bytes| holds(&folder, bytes)));
    assert!(taken[..39].iter().all(|reference| keyring.key(*reference).is_none()), "not even from memory");
    assert!(keyring.key(taken[39]).is_some(), "the others stay");
    keyring.erase(&taken[..39]).unwrap();
    drop(keyring);
    let keyring = open(&folder).unwrap();
    assert!(keyring.key(taken[0]).is_none());
    assert!(keyring.key(taken[39]).is_some());
}

#[test]
fn another_master_key_a_missing_one_and_a_cut_one_are_refused_clearly() {
    let folder = Folder::new();
    let path = folder.path().join("keyring.db");
    drop(Keyring::open(&path, &master(1)).unwrap());
    let refused = Keyring::open(&path, &master(2)).err().unwrap();
    assert!(matches!(refused, KeyringError::OtherMaster(_)), "{refused}");
    assert!(refused.to_string().contains("was made with another master key"));
    assert!(Keyring::open(&path, &master(1)).is_ok());

    let key = folder.path().join("keyring.key");
    let refused = Keyring::open(&path, &Master::File(key.clone())).err().unwrap();
    assert!(matches!(refused, KeyringError::NoMaster(_)), "{refused}");
    assert!(!key.exists(), "a fresh key would not help");
    std::fs::write(&key, [1; 31]).unwrap();
    assert!(matches!(Keyring::open(&path, &Master::File(key)), Err(KeyringError::NoMaster(_))));
}

#[test]
fn references_never_repeat_over_restarts_and_erasures() {
    let folder = Folder::new();
    let mut seen = HashSet::new();
    for _ in 0..4 {
        let keyring = open(&folder).unwrap();
        let taken: Vec<_> =
            std::iter::from_fn(|| keyring.take(ACCOUNT)).take(30).map(|(reference, _)| reference).collect();
        assert_eq!(taken.len(), 30);
        assert!(taken.iter().all(|reference| seen.insert(*reference)));
        keyring.erase(&taken).unwrap();
    }
}

#[test]
fn keys_are_made_again_in_the_background() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let (mut seen, deadline) = (HashSet::new(), Instant::now() + Duration::from_secs(30));
    while seen.len() < 2_000 {
        match keyring.take(ACCOUNT) {
            Some((reference, _)) => assert!(seen.insert(reference)),
            None => std::thread::yield_now(),
        }
        assert!(Instant::now() < deadline, "{} keys in 30 s", seen.len());
    }
    assert!(keyring.take(OTHER).is_none(), "an account that was not ensured has none");
}

/// A call that cannot have a key is not taken, so a disk that is slow when calls begin must not be waited for.
#[test]
fn an_idle_account_that_becomes_busy_has_keys_while_the_disk_is_slow() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let disk = lock(&keyring.shared.vault);
    let taken = std::iter::from_fn(|| keyring.take(ACCOUNT)).count();
    drop(disk);
    assert!(taken >= 1_000, "300 calls a second for three seconds, but there were {taken}");
}

#[test]
fn accounts_that_come_together_cost_one_transaction() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let accounts: Vec<_> = (1..2_000).map(AccountId::from_bits).collect();
    let before = lock(&keyring.shared.vault).changes();
    keyring.ensure_accounts(&accounts).unwrap();
    keyring.ensure_accounts(&accounts).unwrap();
    assert_eq!(lock(&keyring.shared.vault).changes() - before, 1);
    assert!(accounts.iter().all(|account| keyring.take(*account).is_some()));
}

#[test]
fn a_key_moved_to_another_reference_does_not_open() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    // A row holds 64 keys: the 65th begins another.
    let taken: Vec<_> = std::iter::repeat_with(|| keyring.take(ACCOUNT)).flatten().take(65).collect();
    let (first, second) = (taken[0].0, taken[64].0);
    drop(keyring);
    let file = rusqlite::Connection::open(folder.path().join("keyring.db")).unwrap();
    let swap = "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE first = ?2) WHERE first = ?1";
    assert_eq!(file.execute(swap, [first.0 as i64, second.0 as i64]).unwrap(), 1);
    drop(file);
    let keyring = open(&folder).unwrap();
    assert!(keyring.key(first).is_none());
    assert!(keyring.key(second).is_some());
}

#[test]
fn a_second_process_is_refused_and_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    assert!(matches!(open(&folder), Err(KeyringError::InUse(_))));
    for name in ["keyring.db", "keyring.key", "keyring.db.lock"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(keyring);
    assert!(open(&folder).is_ok());
}

#[test]
fn an_account_has_one_key_for_its_secrets_until_that_is_erased() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let (first, key) = keyring.secrets_key(ACCOUNT).unwrap();
    assert_ne!(keyring.secrets_key(OTHER).unwrap().0, first);
    assert_eq!(keyring.secrets_key(ACCOUNT).unwrap().0, first);
    drop(keyring);
    let keyring = open(&folder).unwrap();
    let (again, same) = keyring.secrets_key(ACCOUNT).unwrap();
    assert_eq!((again, same.expose()), (first, key.expose()));
    assert!(keyring.take(ACCOUNT).unwrap().0 != first);
    keyring.erase(&[first]).unwrap();
    assert_ne!(keyring.secrets_key(ACCOUNT).unwrap().0, first);
    assert!(keyring.key(first).is_none());
}

#[test]
fn a_keyring_of_a_program_that_kept_no_secrets_is_read() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let (reference, _) = keyring.take(ACCOUNT).unwrap();
    drop(keyring);
    let file = rusqlite::Connection::open(folder.path().join("keyring.db")).unwrap();
    file.execute_batch("DROP TABLE secrets").unwrap();
    drop(file);
    let keyring = open(&folder).unwrap();
    assert!(keyring.key(reference).is_some());
    assert!(keyring.secrets_key(ACCOUNT).is_ok());
}

fn reader(folder: &Folder) -> Result<KeyringReader, KeyringError> {
    let master = Master::File(folder.path().join("keyring.key"));
    KeyringReader::open(&folder.path().join("keyring.db"), &master)
}

#[test]
fn a_reader_finds_keys_beside_the_process_that_makes_and_erases_them() {
    let folder = Folder::new();
    let keyring = open(&folder).unwrap();
    let beside = reader(&folder).unwrap();
    let taken: Vec<_> = std::iter::repeat_with(|| keyring.take(ACCOUNT)).flatten().take(200).collect();
    for (reference, key) in &taken[1..] {
        assert_eq!(beside.key(*reference).unwrap().expose(), key.expose());
    }
    keyring.erase(&[taken[0].0]).unwrap();
    assert!(beside.key(taken[0].0).is_none());
    drop(keyring);
    assert!(reader(&folder).unwrap().key(taken[1].0).is_some(), "also once nobody runs any more");
}

#[test]
fn a_reader_makes_nothing_and_needs_the_right_master_key() {
    let folder = Folder::new();
    let path = folder.path().join("keyring.db");
    assert!(matches!(reader(&folder), Err(KeyringError::File { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    drop(Keyring::open(&path, &master(1)).unwrap());
    assert!(matches!(KeyringReader::open(&path, &master(2)), Err(KeyringError::OtherMaster(_))));
    assert!(matches!(reader(&folder), Err(KeyringError::NoMaster(_))));
    assert!(KeyringReader::open(&path, &master(1)).is_ok());
}

/// A keyring as a power cut leaves it: pages are written, and the journal that undoes them lies beside it.
#[test]
fn a_reader_says_what_to_do_where_a_change_was_cut_off() {
    let (folder, cut) = (Folder::new(), Folder::new());
    drop(open(&folder).unwrap());
    let path = folder.path().join("keyring.db");
    let writer = rusqlite::Connection::open(&path).unwrap();
    writer.execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE more (bytes BLOB)").unwrap();
    for _ in 0..64 {
        writer.execute("INSERT INTO more VALUES (zeroblob(4000))", []).unwrap();
    }
    for name in ["keyring.db", "keyring.db-journal", "keyring.key"] {
        std::fs::copy(folder.path().join(name), cut.path().join(name)).unwrap();
    }
    let refused = reader(&cut).err().unwrap();
    assert!(matches!(refused, KeyringError::Unfinished(_)), "{refused}");
    drop(open(&cut).unwrap());
    assert!(reader(&cut).is_ok(), "a start has undone it");
}

#[test]
fn how_far_erasures_are_carried_out_is_as_old_as_the_file_and_no_number_of_an_erased_key_is_given_again() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    let up_to = |position| {
        let stream = StreamName::new("session", 1);
        let mark = Mark { stream, revision: Revision(position), hash: EventHash([7; 32]) };
        ErasedUpTo { position: Position(position), mark }
    };
    let keyring = open(&folder).unwrap();
    assert_eq!(keyring.erased_up_to().unwrap(), None);
    keyring.set_erased_up_to(&up_to(3)).unwrap();
    std::fs::copy(path("keyring.db"), path("copy")).unwrap();
    // Beyond what `open` makes anew.
    let later = KeyRef(keyring.secrets_key(OTHER).unwrap().0.0 + 20_000);
    keyring.set_erased_up_to(&up_to(9)).unwrap();
    assert_eq!(keyring.erased_up_to().unwrap(), Some(up_to(9)));
    drop(keyring);
    std::fs::rename(path("copy"), path("keyring.db")).unwrap();
    let keyring = open(&folder).unwrap();
    assert_eq!(keyring.erased_up_to().unwrap(), Some(up_to(3)));
    keyring.never_give(later).unwrap();
    assert!(keyring.key(later).is_none());
    let (next, key) = keyring.secrets_key(OTHER).unwrap();
    assert_eq!(next, KeyRef(later.0 + 1));
    assert_eq!(keyring.key(next).unwrap().expose(), key.expose());
    keyring.erase(&[next]).unwrap();
    assert!(keyring.key(next).is_none());
}
