//! The notary's key: 32 random bytes in a file that only this user reads.

use crate::private_file;
use domain::notary::Signer;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("{} cannot be used: {source}; check that its folder exists and belongs to this user", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what we wrote.
    #[error("the notary's key {} is not 32 bytes long: restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// There is no key, though roots were signed.
    #[error(
        "the notary's key {} is missing, but the log has roots that it signed: restore it, nobody could tell a new one from a forger's",
        .0.display()
    )]
    Missing(PathBuf),
    /// The machine gives no random bytes.
    #[error("the machine gives no randomness: check /dev/urandom")]
    NoRandomness,
}

/// Reads the key at `path`; `None` where there is none.
///
/// # Errors
/// [`KeyError`].
pub fn read_key(path: &Path) -> Result<Option<Signer>, KeyError> {
    match std::fs::read(path).map(Zeroizing::new) {
        Ok(bytes) => {
            let bytes = bytes[..].try_into().map_err(|_| KeyError::Damaged(path.to_owned()))?;
            Ok(Some(Signer::from_bytes(&Zeroizing::new(bytes))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyError::File { path: path.to_owned(), source }),
    }
}

/// Reads the key at `path`; makes it, mode 0600, where there is none and no root was signed yet.
///
/// # Errors
/// [`KeyError`].
pub fn signer(path: &Path, has_signed: bool) -> Result<Signer, KeyError> {
    if let Some(signer) = read_key(path)? {
        return Ok(signer);
    }
    if has_signed {
        return Err(KeyError::Missing(path.to_owned()));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut bytes[..]).map_err(|_| KeyError::NoRandomness)?;
    private_file::replace(path, &bytes[..]).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    Ok(Signer::from_bytes(&bytes))
}
