//! Domains: DNS names whose users register here and are called by `user@domain`. [G1, G2, T1]

mod event;
mod name;
mod settings;
mod state;

pub use event::{DomainAdded, DomainChanged, DomainEvent, DomainRemoved};
pub use name::{DomainName, MalformedDomain};
pub use settings::{DomainPatch, DomainSettings, Hunt, UnusableDomain};
pub use state::{ActiveDomain, Domain, DomainCommand, DomainRejection};
