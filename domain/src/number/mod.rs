//! Phone numbers and short codes that accounts own, and where their calls go. [R1]

mod event;
mod phone;
mod state;
mod target;

pub use event::{NumberClaimed, NumberEvent, NumberReleased, NumberRetargeted};
pub use phone::{MalformedNumber, PhoneNumber};
pub use state::{Claim, Number, NumberCommand, NumberRejection};
pub use target::{Host, MalformedTarget, SipTarget, Target};
