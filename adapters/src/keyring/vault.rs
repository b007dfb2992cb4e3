//! The keyring's file. Rollback journal, not write-ahead log: once a transaction is over, erased bytes are nowhere.

use super::pool::Made;
use super::wrap::{Place, SALT, Wrapper};
use super::{ErasedUpTo, KeyringError, Master};
use crate::private_file;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::AccountId;
use domain::log::{EventHash, Mark, Position, Revision, StreamName};
use nix::fcntl::Flock;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use zeroize::Zeroizing;

/// Version of the tables, in `PRAGMA user_version`.
const FORMAT: i64 = 2;

/// Session keys that stand in one row: few enough that one is found and erased cheaply, many enough to be made cheaply.
const ROW_KEYS: usize = 64;

/// Rows that stay open, 2 KB each: opening one costs a look into the file, and a start needs the keys of whoever was heard
/// within the last hour, in any order.
const OPENED: usize = 4_096;

/// What stands where a key was erased.
const ERASED: [u8; 32] = [0; 32];

const SCHEMA: &str = "
    -- A key that only the right master key opens.
    CREATE TABLE proof (wrapped BLOB NOT NULL);
    CREATE TABLE accounts (number INTEGER PRIMARY KEY, account BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL);
    -- Keys of the references from `first` on, side by side. A row is never deleted, so no reference is given twice; an
    -- erased key's bytes are zeros.
    CREATE TABLE keys (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, account INTEGER NOT NULL, wrapped BLOB NOT NULL);
";

/// Which of an account's keys seals its secrets of provisioning. Added after the first version; a program that does not
/// know the table is not harmed by it.
const SECRETS: &str = "
    CREATE TABLE IF NOT EXISTS secrets (account INTEGER PRIMARY KEY, reference INTEGER NOT NULL);
";

/// How far along the log erasures are carried out. Added later too. An older copy of the file says less.
const ERASED_UP_TO: &str = "
    CREATE TABLE IF NOT EXISTS erased_up_to (
        only INTEGER PRIMARY KEY CHECK (only = 0), position INTEGER NOT NULL, stream TEXT NOT NULL, revision INTEGER NOT NULL,
        hash BLOB NOT NULL
    );
";

/// The reference after the last that was given.
const NEXT: &str = "SELECT coalesce(max(first + count), 1) FROM keys WHERE first = (SELECT max(first) FROM keys)";

/// An account's number in the keyring, and its key.
struct Account {
    number: i64,
    wrapper: Wrapper,
}

pub(super) struct Vault {
    connection: Connection,
    master: Wrapper,
    accounts: HashMap<AccountId, Account>,
    /// Rows that were asked for, by their first reference: whoever reads one key of a row often reads others too. A reader
    /// has none, for somebody else may erase keys in them.
    opened: BTreeMap<u64, Row>,
    /// Nobody else writes; a reader has none.
    lock: Option<Flock<File>>,
}

impl Vault {
    /// Opens the keyring at `path`, or makes it.
    pub fn open(path: &Path, master: &Master) -> Result<Self, KeyringError> {
        let file = |source| KeyringError::File { path: path.to_owned(), source };
        private_file::make_folder_of(path).map_err(file)?;
        let lock = private_file::claim(path).map_err(file)?.ok_or_else(|| KeyringError::InUse(path.to_owned()))?;
        let fresh = private_file::open_or_make(path).and_then(|file| file.metadata()).map_err(file)?.len() == 0;
        let master = Wrapper::new(&super::master_key(master, fresh)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        set_up(&connection, path)?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match (fresh || is_empty(&connection)?, found) {
            (true, 0) => create(&mut connection, &master)?,
            (_, FORMAT) => prove(&connection, &master, path)?,
            (_, found) => return Err(KeyringError::Format { path: path.to_owned(), found }),
        }
        connection.execute_batch(SECRETS)?;
        connection.execute_batch(ERASED_UP_TO)?;
        Ok(Self { connection, master, accounts: HashMap::new(), opened: BTreeMap::new(), lock: Some(lock) })
    }

    /// Opens the keyring at `path` for reading alone, also while another process has it.
    pub fn open_for_reading(path: &Path, master: &Master) -> Result<Self, KeyringError> {
        std::fs::metadata(path).map_err(|source| KeyringError::File { path: path.to_owned(), source })?;
        let master = Wrapper::new(&super::master_key(master, false)?);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        match found.map_err(|error| cut_off(error, path))? {
            FORMAT => prove(&connection, &master, path)?,
            found => return Err(KeyringError::Format { path: path.to_owned(), found }),
        }
        Ok(Self { connection, master, accounts: HashMap::new(), opened: BTreeMap::new(), lock: None })
    }

    /// Makes and stores so many keys of each account, durably and in one transaction; an account's own key too where it is
    /// new.
    pub fn make(&mut self, wanted: &[(AccountId, usize)]) -> Result<Vec<Made>, KeyringError> {
        let transaction = self.connection.transaction()?;
        let mut fresh = HashMap::new();
        let mut made = Vec::with_capacity(wanted.len());
        for (account, count) in wanted {
            let known = match self.accounts.get(account) {
                Some(known) => known,
                None => fresh.entry(*account).or_insert(find_or_add(&transaction, &self.master, *account)?),
            };
            made.push((*account, insert(&transaction, known, &randomness(*count)?)?));
        }
        transaction.commit()?;
        self.accounts.extend(fresh);
        Ok(made)
    }

    /// The key that seals an account's secrets; made, durably, where there is none or the last one was erased.
    pub fn secrets_key(&mut self, account: AccountId) -> Result<(KeyRef, SealKey), KeyringError> {
        let find =
            "SELECT reference FROM secrets JOIN accounts ON number = secrets.account WHERE accounts.account = ?1";
        let found = self.connection.query_row(find, [&id(account)[..]], |row| row.get::<_, i64>(0)).optional()?;
        let reference = found.map(|reference| KeyRef(reference.unsigned_abs()));
        if let Some(reference) = reference
            && let Some(key) = self.key(reference)?
        {
            return Ok((reference, key));
        }
        let transaction = self.connection.transaction()?;
        let known = find_or_add(&transaction, &self.master, account)?;
        let made = insert(&transaction, &known, &randomness(1)?)?.pop().ok_or(KeyringError::Damaged)?;
        let set = "INSERT INTO secrets (account, reference) VALUES (?1, ?2)
             ON CONFLICT (account) DO UPDATE SET reference = excluded.reference";
        transaction.execute(set, params![known.number, made.0.0 as i64])?;
        transaction.commit()?;
        Ok(made)
    }

    /// See [`super::Keyring::derived`].
    pub fn derived(&self, purpose: &str) -> SealKey {
        self.master.derive(purpose)
    }

    /// The key behind a reference; `None` where it was erased or never was.
    pub fn key(&mut self, reference: KeyRef) -> Result<Option<SealKey>, KeyringError> {
        let opened = self.opened.range(..=reference.0).next_back().filter(|(_, row)| row.holds(reference));
        if let Some((_, row)) = opened {
            return Ok(row.key(reference));
        }
        let Some(row) = self.row_of(reference)? else { return Ok(None) };
        let key = row.key(reference);
        self.keep_open(row);
        Ok(key)
    }

    fn keep_open(&mut self, row: Row) {
        if self.lock.is_none() {
            return;
        }
        // What is needed of them is opened again.
        if self.opened.len() >= OPENED {
            self.opened.clear();
        }
        self.opened.insert(row.first, row);
    }

    /// Erases keys, all or none. When this returns they are not in the file any more.
    pub fn erase(&mut self, references: &[KeyRef]) -> Result<(), KeyringError> {
        self.opened.clear();
        let mut rows: BTreeMap<u64, Row> = BTreeMap::new();
        for reference in references {
            let known = rows.range_mut(..=reference.0).next_back().filter(|(_, row)| row.holds(*reference));
            let row = match known {
                Some((_, row)) => row,
                None => match self.row_of(*reference)? {
                    Some(row) => rows.entry(row.first).or_insert(row),
                    None => continue,
                },
            };
            let range = row.range(*reference);
            if let Some(key) = row.keys.get_mut(range) {
                key.copy_from_slice(&ERASED);
            }
        }
        let transaction = self.connection.transaction()?;
        {
            let mut write = transaction.prepare_cached("UPDATE keys SET wrapped = ?2 WHERE first = ?1")?;
            for row in rows.values() {
                let wrapped = row.wrapper.wrap_bytes(&row.keys, salt()?, Place::Sessions(row.account, row.first));
                write.execute(params![row.first as i64, wrapped])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// See [`super::Keyring::erased_up_to`].
    pub fn erased_up_to(&self) -> Result<Option<ErasedUpTo>, KeyringError> {
        let columns = "SELECT position, stream, revision, hash FROM erased_up_to";
        let found = self.connection.query_row(columns, [], |row| {
            let (position, stream) = (row.get::<_, i64>(0)?, row.get::<_, String>(1)?);
            Ok((position, stream, row.get::<_, i64>(2)?, row.get::<_, [u8; 32]>(3)?))
        });
        Ok(found.optional()?.and_then(|(position, stream, revision, hash)| {
            let (stream, revision) = (StreamName::parse(&stream)?, Revision(revision.unsigned_abs()));
            let mark = Mark { stream, revision, hash: EventHash(hash) };
            Some(ErasedUpTo { position: Position(position.unsigned_abs()), mark })
        }))
    }

    /// See [`super::Keyring::set_erased_up_to`].
    pub fn set_erased_up_to(&self, ErasedUpTo { position, mark }: &ErasedUpTo) -> Result<(), KeyringError> {
        let Mark { stream, revision, hash } = mark;
        let set =
            "INSERT OR REPLACE INTO erased_up_to (only, position, stream, revision, hash) VALUES (0, ?1, ?2, ?3, ?4)";
        self.connection.execute(set, params![position.0 as i64, stream.as_str(), revision.0 as i64, hash.0])?;
        Ok(())
    }

    /// See [`super::Keyring::never_give`].
    pub fn never_give(&self, highest: KeyRef) -> Result<(), KeyringError> {
        let next: i64 = self.connection.query_row(NEXT, [], |row| row.get(0))?;
        let Some(highest) = i64::try_from(highest.0).ok().filter(|highest| *highest >= next && *highest < i64::MAX / 2)
        else {
            return Ok(());
        };
        // A row of nobody's: no look-up finds a key in it, and numbers go on after it.
        let add = "INSERT INTO keys (first, count, account, wrapped) VALUES (?1, 1, 0, x'')";
        self.connection.execute(add, [highest])?;
        Ok(())
    }

    /// The row that holds a reference, opened.
    fn row_of(&self, reference: KeyRef) -> Result<Option<Row>, KeyringError> {
        let mut find = self.connection.prepare_cached(
            "SELECT first, count, number, accounts.wrapped, keys.wrapped FROM keys
             JOIN accounts ON number = keys.account WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
        )?;
        type Found = (i64, i64, i64, Vec<u8>, Vec<u8>);
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Found> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        // References beyond what SQLite can hold were never given.
        let Ok(wanted) = i64::try_from(reference.0) else { return Ok(None) };
        let Some((first, count, number, account, keys)) = find.query_row([wanted], read).optional()? else {
            return Ok(None);
        };
        if wanted >= first + count {
            return Ok(None);
        }
        let account = self.master.unwrap(&account, Place::Account(number)).ok_or(KeyringError::Damaged)?;
        let (wrapper, first) = (Wrapper::new(&account), first.unsigned_abs());
        let keys = wrapper.unwrap_bytes(&keys, Place::Sessions(number, first)).ok_or(KeyringError::Damaged)?;
        Ok(Some(Row { first, account: number, wrapper, keys }))
    }
}

/// An account with its key; both made where it is new.
fn find_or_add(transaction: &Transaction<'_>, master: &Wrapper, account: AccountId) -> Result<Account, KeyringError> {
    let mut find = transaction.prepare_cached("SELECT number, wrapped FROM accounts WHERE account = ?1")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = find.query_row([&id(account)[..]], row).optional()?;
    let Some((number, wrapped)) = found else { return add(transaction, master, account) };
    let key = master.unwrap(&wrapped, Place::Account(number)).ok_or(KeyringError::Damaged)?;
    Ok(Account { number, wrapper: Wrapper::new(&key) })
}

fn add(transaction: &Transaction<'_>, master: &Wrapper, account: AccountId) -> Result<Account, KeyringError> {
    let (key, nonce) = draw()?;
    let number = "SELECT coalesce(max(number), 0) + 1 FROM accounts";
    let number: i64 = transaction.query_row(number, [], |row| row.get(0))?;
    let wrapped = master.wrap(&key, nonce, Place::Account(number));
    let add = "INSERT INTO accounts (number, account, wrapped) VALUES (?1, ?2, ?3)";
    transaction.execute(add, params![number, &id(account)[..], wrapped])?;
    Ok(Account { number, wrapper: Wrapper::new(&key) })
}

/// How an account is named in the file.
const fn id(account: AccountId) -> [u8; 16] {
    account.bits().to_be_bytes()
}

/// Bytes for so many keys.
fn randomness(keys: usize) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let mut random = Zeroizing::new(vec![0; keys * 32]);
    getrandom::fill(&mut random).map_err(|_| KeyringError::NoRandomness)?;
    Ok(random)
}

/// A row of session keys, opened.
struct Row {
    first: u64,
    account: i64,
    wrapper: Wrapper,
    keys: Zeroizing<Vec<u8>>,
}

impl Row {
    /// Where a reference's key stands.
    fn range(&self, reference: KeyRef) -> Range<usize> {
        let index = usize::try_from(reference.0.saturating_sub(self.first)).unwrap_or(usize::MAX / 64);
        index * 32..index * 32 + 32
    }

    fn holds(&self, reference: KeyRef) -> bool {
        reference.0 >= self.first && self.range(reference).end <= self.keys.len()
    }

    /// The key behind a reference, unless it was erased.
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        let key = self.keys.get(self.range(reference))?.try_into().ok()?;
        Some(key).filter(|key| *key != ERASED).map(SealKey::from_bytes)
    }
}

/// A random key and a random salt.
fn draw() -> Result<(SealKey, [u8; SALT]), KeyringError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut key[..]).map_err(|_| KeyringError::NoRandomness)?;
    Ok((SealKey::from_bytes(*key), salt()?))
}

fn salt() -> Result<[u8; SALT], KeyringError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|_| KeyringError::NoRandomness)?;
    Ok(salt)
}

/// Stores as many keys as there is randomness for, [`ROW_KEYS`] in a row.
fn insert(
    transaction: &Transaction<'_>,
    account: &Account,
    random: &[u8],
) -> Result<Vec<(KeyRef, SealKey)>, KeyringError> {
    let mut first = transaction.query_row(NEXT, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    let mut add =
        transaction.prepare_cached("INSERT INTO keys (first, count, account, wrapped) VALUES (?1, ?2, ?3, ?4)")?;
    let mut keys = Vec::with_capacity(random.len() / 32);
    for row in random.chunks(ROW_KEYS * 32) {
        let wrapped = account.wrapper.wrap_bytes(row, salt()?, Place::Sessions(account.number, first));
        let count = row.len() / 32;
        add.execute(params![first as i64, count as i64, account.number, wrapped])?;
        let given = row.chunks_exact(32).filter_map(|key| <[u8; 32]>::try_from(key).ok()).map(SealKey::from_bytes);
        keys.extend((first..).map(KeyRef).zip(given));
        first += count as u64;
    }
    Ok(keys)
}

fn set_up(connection: &Connection, path: &Path) -> Result<(), KeyringError> {
    let mode = connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "secure_delete", "ON", |row| row.get::<_, i64>(0))?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    match (mode.as_str(), number("synchronous")?, number("secure_delete")?) {
        ("delete", 2, 1) => Ok(()),
        _ => Err(KeyringError::NotDurable(path.to_owned())),
    }
}

/// A journal that is to be rolled back can be so by a writer alone.
fn cut_off(error: rusqlite::Error, path: &Path) -> KeyringError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => KeyringError::Unfinished(path.to_owned()),
        Some(_) | None => KeyringError::Store(error),
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn create(connection: &mut Connection, master: &Wrapper) -> Result<(), KeyringError> {
    let (key, nonce) = draw()?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute("INSERT INTO proof (wrapped) VALUES (?1)", [master.wrap(&key, nonce, Place::Proof)])?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    Ok(transaction.commit()?)
}

fn prove(connection: &Connection, master: &Wrapper, path: &Path) -> Result<(), KeyringError> {
    let wrapped: Vec<u8> = connection.query_row("SELECT wrapped FROM proof", [], |row| row.get(0))?;
    let proof = master.unwrap(&wrapped, Place::Proof);
    proof.map(drop).ok_or_else(|| KeyringError::OtherMaster(path.to_owned()))
}

#[cfg(test)]
impl Vault {
    /// Transactions that changed the file, by its own count (bytes 24 to 28 of its header).
    pub fn changes(&self) -> u32 {
        let file = std::fs::read(self.connection.path().unwrap()).unwrap();
        u32::from_be_bytes(file[24..28].try_into().unwrap())
    }

    /// The row of a key as it stands in the file.
    pub fn wrapped(&self, reference: KeyRef) -> Vec<u8> {
        let find = "SELECT wrapped FROM keys WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
        self.connection.query_row(find, [reference.0 as i64], |row| row.get(0)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    #[test]
    fn every_key_is_found_also_where_there_are_more_rows_than_stay_open() {
        let folder = Folder::new();
        let master = Master::Bytes(Zeroizing::new([1; 32]));
        let mut vault = Vault::open(&folder.path().join("keyring.db"), &master).unwrap();
        let made = vault.make(&[(AccountId::from_bits(1), ROW_KEYS * (OPENED + 2))]).unwrap().remove(0).1;
        for _ in 0..2 {
            for (reference, key) in made.iter().step_by(ROW_KEYS + 1) {
                assert_eq!(vault.key(*reference).unwrap().unwrap().expose(), key.expose());
            }
        }
        assert!((1..=OPENED).contains(&vault.opened.len()));
    }
}
