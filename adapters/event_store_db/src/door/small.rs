//! What clients ask beside streams: what the server can do, which nodes there are, who shares subscriptions.

use super::entrance::Reached;
use super::envelope::now;
use crate::wire::gossip::{self, ClusterInfo, EndPoint, MemberInfo, member_info::VNodeState};
use crate::wire::persistent_subscriptions::{self as persistent, ListReq, ListResp};
use crate::wire::server_features::{self as features, SupportedMethod, SupportedMethods};
use crate::wire::{Empty, TICKS_PER_MICRO, write_uuid};
use std::net::SocketAddr;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// The release of the server whose protocol this is a part of: clients go by it.
const VERSION: &str = "24.10.0-strowger";

/// Methods served, by service. Clients compare them in lower case.
const METHODS: [(&str, &[&str]); 4] = [
    ("event_store.client.streams.streams", &["read", "append", "delete", "tombstone", "batchappend"]),
    ("event_store.client.gossip.gossip", &["read"]),
    ("event_store.client.server_features.serverfeatures", &["getsupportedmethods"]),
    ("event_store.client.persistent_subscriptions.persistentsubscriptions", &["list"]),
];

/// See the module.
#[derive(Clone, Copy)]
pub struct Small {
    pub(super) address: SocketAddr,
}

/// Asked before a client has anything to prove itself with: nothing here is secret.
#[tonic::async_trait]
impl features::server_features_server::ServerFeatures for Small {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let method = |service: &str, method: &str| SupportedMethod {
            method_name: method.to_owned(),
            service_name: service.to_owned(),
            features: Vec::new(),
        };
        let methods = METHODS.iter().flat_map(|(service, names)| names.iter().map(move |name| method(service, name)));
        let event_store_server_version = VERSION.to_owned();
        Ok(Response::new(SupportedMethods { methods: methods.collect(), event_store_server_version }))
    }
}

/// A door is a cluster of one, which leads itself. It is where its caller reached it: the address that it listens on may be
/// none that anybody can call.
#[tonic::async_trait]
impl gossip::gossip_server::Gossip for Small {
    async fn read(&self, request: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let reached = request.extensions().get::<Reached>();
        let address = reached.map_or_else(|| self.address.ip().to_string(), |reached| reached.host.clone());
        let port = reached.and_then(|reached| reached.port).unwrap_or(self.address.port());
        let end_point = EndPoint { address, port: port.into() };
        let member = MemberInfo {
            instance_id: Some(write_uuid(Uuid::nil(), true)),
            time_stamp: now().micros().saturating_mul(TICKS_PER_MICRO),
            state: VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: Some(end_point),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}

/// There are no persistent subscriptions; clients may ask.
#[tonic::async_trait]
impl persistent::persistent_subscriptions_server::PersistentSubscriptions for Small {
    async fn list(&self, _: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        Ok(Response::new(ListResp { subscriptions: Vec::new() }))
    }
}
