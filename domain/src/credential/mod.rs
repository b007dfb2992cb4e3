//! Credentials: who may register and call as a user of a domain. [G1, O1]

mod auth;
mod event;
mod secret;
mod state;
mod username;

pub use crate::sip::digest::DigestSecret;
pub use auth::AuthRule;
pub use event::{CredentialAdded, CredentialChanged, CredentialEvent, CredentialRemoved};
pub use secret::{MalformedPassword, Password};
pub use state::{ActiveCredential, Credential, CredentialCommand, CredentialRejection};
pub use username::{MalformedUsername, Username};
