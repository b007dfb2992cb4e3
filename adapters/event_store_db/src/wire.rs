//! Messages of the protocol, generated from `proto/`, and what of them is needed everywhere.

/// Generated code.
#[allow(missing_docs, clippy::all, clippy::too_many_lines)]
mod generated {
    pub mod event_store {
        pub mod client {
            tonic::include_proto!("event_store.client");
            pub mod streams {
                tonic::include_proto!("event_store.client.streams");
            }
            pub mod server_features {
                tonic::include_proto!("event_store.client.server_features");
            }
            pub mod gossip {
                tonic::include_proto!("event_store.client.gossip");
            }
            pub mod persistent_subscriptions {
                tonic::include_proto!("event_store.client.persistent_subscriptions");
            }
        }
    }
    pub mod google {
        pub mod rpc {
            tonic::include_proto!("google.rpc");
        }
    }
}

pub use generated::event_store::client::{
    AccessDenied, AllStreamPosition, BadRequest, Empty, MaximumAppendSizeExceeded, StreamDeleted, StreamIdentifier,
    Timeout, Unknown, Uuid as WireUuid, WrongExpectedVersion, gossip, persistent_subscriptions, server_features,
    streams, uuid as wire_uuid, wrong_expected_version,
};
pub use generated::google::rpc::Status as RpcStatus;

use uuid::Uuid;

/// Ticks of 100 ns in a microsecond.
pub const TICKS_PER_MICRO: i64 = 10;

/// An id as the protocol writes it. Structured where the reader asked for that, else as text.
pub fn write_uuid(id: Uuid, structured: bool) -> WireUuid {
    let value = if structured {
        let (high, low) = id.as_u64_pair();
        wire_uuid::Value::Structured(wire_uuid::Structured {
            most_significant_bits: high as i64,
            least_significant_bits: low as i64,
        })
    } else {
        wire_uuid::Value::String(id.to_string())
    };
    WireUuid { value: Some(value) }
}

/// An id as the protocol brings it; `None` where there is none or it is no UUID.
pub fn read_uuid(id: Option<&WireUuid>) -> Option<Uuid> {
    match id?.value.as_ref()? {
        wire_uuid::Value::Structured(parts) => {
            Some(Uuid::from_u64_pair(parts.most_significant_bits as u64, parts.least_significant_bits as u64))
        }
        wire_uuid::Value::String(text) => Uuid::parse_str(text).ok(),
    }
}
