//! What clients ask beside streams: what the server can do, which nodes there are, who shares subscriptions.

use super::Shared;
use super::envelope::now;
use crate::wire::gossip::{self, ClusterInfo, EndPoint, MemberInfo, member_info::VNodeState};
use crate::wire::persistent_subscriptions::{self as persistent, ListReq, ListResp};
use crate::wire::server_features::{self as features, SupportedMethod, SupportedMethods};
use crate::wire::{Empty, TICKS_PER_MICRO, write_uuid};
use std::net::SocketAddr;
use std::sync::Arc;
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
#[derive(Clone)]
pub struct Small {
    pub(super) shared: Arc<Shared>,
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

/// A door is a cluster of one, which leads itself.
#[tonic::async_trait]
impl gossip::gossip_server::Gossip for Small {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let address = self.address.ip().to_string();
        let end_point = EndPoint { address, port: self.address.port().into() };
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
    async fn list(&self, request: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        self.shared.admit(request.metadata()).await?;
        Ok(Response::new(ListResp { subscriptions: Vec::new() }))
    }
}
