//! The keyring's file. Rollback journal, not write-ahead log: once a transaction is over, erased bytes are nowhere.

use super::wrap::{NONCE, Place, WRAPPED, Wrapper};
use super::{KeyringError, Master};
use crate::private_file;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::AccountId;
use nix::fcntl::Flock;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use zeroize::Zeroizing;

/// Version of the tables, in `PRAGMA user_version`.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
    -- A key that only the right master key opens.
    CREATE TABLE proof (wrapped BLOB NOT NULL);
    CREATE TABLE accounts (number INTEGER PRIMARY KEY, account BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL);
    -- AUTOINCREMENT: a reference is never given twice, not even after its key was erased.
    CREATE TABLE keys (reference INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, wrapped BLOB NOT NULL);
";

/// Which of an account's keys seals its secrets of provisioning. Added after the first version; a program that does not
/// know the table is not harmed by it.
const SECRETS: &str = "
    CREATE TABLE IF NOT EXISTS secrets (account INTEGER PRIMARY KEY, reference INTEGER NOT NULL);
";

/// An account's number in the keyring, and its key.
struct Account {
    number: i64,
    wrapper: Wrapper,
}

pub(super) struct Vault {
    connection: Connection,
    master: Wrapper,
    accounts: HashMap<AccountId, Account>,
    _lock: Flock<File>,
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
        Ok(Self { connection, master, accounts: HashMap::new(), _lock: lock })
    }

    /// Makes and stores `count` keys of an account, durably; the account's own key too where it is new.
    pub fn make(&mut self, account: AccountId, count: usize) -> Result<Vec<(KeyRef, SealKey)>, KeyringError> {
        self.ensure(account)?;
        let Some(known) = self.accounts.get(&account) else { return Ok(Vec::new()) };
        let random = randomness(count)?;
        let transaction = self.connection.transaction()?;
        let keys = insert(&transaction, known, &random)?;
        transaction.commit()?;
        Ok(keys)
    }

    /// The key that seals an account's secrets; made, durably, where there is none or the last one was erased.
    pub fn secrets_key(&mut self, account: AccountId) -> Result<(KeyRef, SealKey), KeyringError> {
        self.ensure(account)?;
        let Some(number) = self.accounts.get(&account).map(|known| known.number) else {
            return Err(KeyringError::Damaged);
        };
        let find = "SELECT secrets.reference FROM secrets JOIN keys ON keys.reference = secrets.reference
             WHERE secrets.account = ?1";
        let found = self.connection.query_row(find, [number], |row| row.get::<_, i64>(0)).optional()?;
        if let Some(reference) = found.map(|reference| KeyRef(reference.unsigned_abs())) {
            return self.key(reference)?.map(|key| (reference, key)).ok_or(KeyringError::Damaged);
        }
        let random = randomness(1)?;
        let Some(known) = self.accounts.get(&account) else { return Err(KeyringError::Damaged) };
        let transaction = self.connection.transaction()?;
        let made = insert(&transaction, known, &random)?.pop().ok_or(KeyringError::Damaged)?;
        let set = "INSERT INTO secrets (account, reference) VALUES (?1, ?2)
             ON CONFLICT (account) DO UPDATE SET reference = excluded.reference";
        transaction.execute(set, params![number, made.0.0 as i64])?;
        transaction.commit()?;
        Ok(made)
    }

    fn ensure(&mut self, account: AccountId) -> Result<(), KeyringError> {
        if !self.accounts.contains_key(&account) {
            let known = match self.find(account)? {
                Some(known) => known,
                None => self.add(account)?,
            };
            self.accounts.insert(account, known);
        }
        Ok(())
    }

    /// The key behind a reference; `None` where it was erased or never was.
    pub fn key(&self, reference: KeyRef) -> Result<Option<SealKey>, KeyringError> {
        let mut find = self.connection.prepare_cached(
            "SELECT number, accounts.wrapped, keys.wrapped FROM keys JOIN accounts ON number = keys.account
             WHERE reference = ?1",
        )?;
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(i64, Vec<u8>, Vec<u8>)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        };
        let Some((number, account, key)) = find.query_row([reference.0 as i64], row).optional()? else {
            return Ok(None);
        };
        let account = self.master.unwrap(&account, Place::Account(number)).ok_or(KeyringError::Damaged)?;
        let key = Wrapper::new(&account).unwrap(&key, Place::Session(number, reference.0));
        key.map(Some).ok_or(KeyringError::Damaged)
    }

    /// Erases keys, all or none. When this returns they are not in the file any more.
    pub fn erase(&mut self, references: &[KeyRef]) -> Result<(), KeyringError> {
        let transaction = self.connection.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM keys WHERE reference = ?1")?;
            for reference in references {
                delete.execute([reference.0 as i64])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn find(&self, account: AccountId) -> Result<Option<Account>, KeyringError> {
        let mut find = self.connection.prepare_cached("SELECT number, wrapped FROM accounts WHERE account = ?1")?;
        let id = account.bits().to_be_bytes();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let Some((number, wrapped)) = find.query_row([&id[..]], row).optional()? else { return Ok(None) };
        let key = self.master.unwrap(&wrapped, Place::Account(number)).ok_or(KeyringError::Damaged)?;
        Ok(Some(Account { number, wrapper: Wrapper::new(&key) }))
    }

    fn add(&mut self, account: AccountId) -> Result<Account, KeyringError> {
        let (key, nonce) = draw()?;
        let transaction = self.connection.transaction()?;
        let number = "SELECT coalesce(max(number), 0) + 1 FROM accounts";
        let number: i64 = transaction.query_row(number, [], |row| row.get(0))?;
        let wrapped = self.master.wrap(&key, nonce, Place::Account(number));
        let id = account.bits().to_be_bytes();
        let add = "INSERT INTO accounts (number, account, wrapped) VALUES (?1, ?2, ?3)";
        transaction.execute(add, params![number, &id[..], wrapped])?;
        transaction.commit()?;
        Ok(Account { number, wrapper: Wrapper::new(&key) })
    }
}

/// Bytes for so many keys and their nonces.
fn randomness(keys: usize) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let mut random = Zeroizing::new(vec![0; keys * (32 + NONCE)]);
    getrandom::fill(&mut random).map_err(|_| KeyringError::NoRandomness)?;
    Ok(random)
}

/// A random key and a random nonce.
fn draw() -> Result<(SealKey, [u8; NONCE]), KeyringError> {
    let mut key = Zeroizing::new([0; 32]);
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut key[..]).map_err(|_| KeyringError::NoRandomness)?;
    getrandom::fill(&mut nonce).map_err(|_| KeyringError::NoRandomness)?;
    Ok((SealKey::from_bytes(*key), nonce))
}

/// Stores as many keys as there is randomness for.
fn insert(
    transaction: &Transaction<'_>,
    account: &Account,
    random: &[u8],
) -> Result<Vec<(KeyRef, SealKey)>, KeyringError> {
    let last = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'keys'), 0)";
    let mut reference = transaction.query_row(last, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    let mut add = transaction.prepare_cached("INSERT INTO keys (reference, account, wrapped) VALUES (?1, ?2, ?3)")?;
    let mut keys = Vec::with_capacity(random.len() / (32 + NONCE));
    for drawn in random.chunks_exact(32 + NONCE) {
        let (Some(key), Some(nonce)) = (drawn.first_chunk(), drawn.last_chunk()) else { break };
        reference += 1;
        let key = SealKey::from_bytes(*key);
        let wrapped = account.wrapper.wrap(&key, *nonce, Place::Session(account.number, reference));
        debug_assert_eq!(wrapped.len(), WRAPPED);
        add.execute(params![reference as i64, account.number, wrapped])?;
        keys.push((KeyRef(reference), key));
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
    /// A key as it stands in the file.
    pub fn wrapped(&self, reference: KeyRef) -> Vec<u8> {
        let find = "SELECT wrapped FROM keys WHERE reference = ?1";
        self.connection.query_row(find, [reference.0 as i64], |row| row.get(0)).unwrap()
    }
}
