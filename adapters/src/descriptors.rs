//! How many files this process may have open: sockets of calls, of phones and of HTTP share them.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to the hard limit, and tells it; `None` where the system does not say.
pub fn raise() -> Option<u64> {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() => Some(hard),
        Ok((soft, _)) => Some(soft),
        Err(_) => None,
    }
}
