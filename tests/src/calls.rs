//! Calls as the exchange records them, for tests of everything that reads the log.

mod recorder;
mod referred;
mod script;
mod sip;
mod transfer;

pub use recorder::{Keys, interleaved, record, record_together, sealed, submit};
pub use referred::referred;
pub use script::{CallScript, basic, failover, hold, refused};
pub use transfer::transfer;

use domain::ids::{AccountId, NumberId, TrunkId};

/// The account whose calls the scripts make.
pub const ACCOUNT: AccountId = AccountId::from_bits(0xacc);
/// Another account.
pub const STRANGER: AccountId = AccountId::from_bits(0x5ca);
/// The trunk that calls come from.
pub const PBX: TrunkId = TrunkId::from_bits(0xb0);
/// The first carrier.
pub const CARRIER_A: TrunkId = TrunkId::from_bits(0xca);
/// The second carrier.
pub const CARRIER_B: TrunkId = TrunkId::from_bits(0xcb);
/// The number that scripts call.
pub const NUMBER: NumberId = NumberId::from_bits(0x4711);
