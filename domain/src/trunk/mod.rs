//! Trunks: the peers that calls arrive from and leave to. [O1, O2]

mod address;
mod event;
mod health;
mod login;
mod prefix;
mod refer;
mod settings;
mod state;

pub use address::{MalformedAddress, Network, TrunkAddress};
pub use event::{TrunkAdded, TrunkChanged, TrunkEvent, TrunkRemoved};
pub use health::{HealthRule, TrunkHealth};
pub use login::{TrunkLogin, TrunkRegister};
pub use prefix::{MalformedPrefix, Prefix};
pub use refer::ReferRule;
pub use settings::{
    LargeRequests, MalformedTimeout, RingTimeout, TrunkKind, TrunkPatch, TrunkSettings, UnusableSettings,
};
pub use state::{ActiveTrunk, Trunk, TrunkCommand, TrunkRejection};
