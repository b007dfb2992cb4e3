//! Which account a call is for, where it goes, and why: pure choice over tables folded from provisioning events. [R1,
//! R4, R5, R7, G5, O1 by source address, O2 by prefix and priority, O3 inside one account]

mod choose;
mod decision;
mod dialled;
mod domains;
mod pbx;
mod provisioned;
mod resolved;
mod sources;
mod tables;
mod targets;
mod users;

pub use choose::{MAX_ATTEMPTS, choose};
pub use decision::{
    Attempt, Caller, Considered, Decision, Destination, Reason, Refusal, Refused, Registered, Request, Rewrite, Rule,
    Subject, Verdict, Way,
};
pub use dialled::Dialled;
pub use domains::{CredentialEntry, DomainEntry};
pub use pbx::Registrant;
pub use provisioned::{Provisioned, ProvisioningEvent};
pub use resolved::HostKey;
pub use tables::{Tables, TrunkRow};
pub use users::MAX_DEVICES;
