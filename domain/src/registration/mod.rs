//! Who can be reached where: bindings of an address of record, added, refreshed and removed by REGISTER (RFC 3261 §10,
//! RFC 3327, RFC 5626, RFC 5627) and by the API, and when they expire. [G1, G5, G6]
//!
//! A [`RegisterRequest`] is read from a message; [`Registration::register`] decides what becomes of it, as events or as a
//! [`Rejection`]; after the events were applied, [`Registration::answer`] says what the 200 holds. Nothing here knows who
//! may register as whom: that is decided before.

mod answer;
mod aor;
mod binding;
mod bindings;
mod command;
mod decide;
mod event;
mod gruu;
mod kept;
mod rejection;
mod request;
mod restored;
mod state;
mod stated;
mod tail;
mod targets;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub use answer::{Answer, flow_timer};
pub use aor::{Aor, MalformedAor};
pub use binding::{Binding, Origin, Reach};
pub use bindings::Bindings;
pub use command::{CommandRejection, Done, NewBinding, Registrar, RegistrarAway, RegistrationCommand};
pub use event::{
    BindingAdded, BindingReachChanged, BindingRefreshed, BindingRemoved, BindingStated, BindingsStated, Device,
    RegisterAnswered, RegisterReceived, RegistrationEvent, RemovalCause, StatedTable,
};
pub use gruu::{instance_of_gruu, public_gruu};
pub use rejection::Rejection;
pub use request::{Contacts, Q, RegisterContact, RegisterRequest, Supported};
pub use restored::Restored;
pub use state::{Home, Registration, Terms};
pub use stated::STATE_EVERY;
pub use tail::{LAST_TURN, TAIL, read_tail};
pub use targets::Callee;
