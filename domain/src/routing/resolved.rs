//! Addresses of the host names that targets and trunks name. The shell resolves; choosing only looks up.

use crate::number::{Host, SipTarget};
use std::collections::HashMap;
use std::net::SocketAddr;

/// What is resolved for a target: its host and port, for without a port the answer may name one (RFC 3263 §4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostKey {
    /// The name in lower case.
    pub host: Box<str>,
    /// The port, where the target names one.
    pub port: Option<u16>,
}

impl HostKey {
    /// What is to be resolved for a target; `None` for an address literal.
    pub fn of(target: &SipTarget) -> Option<Self> {
        match &target.host {
            Host::Ip(_) => None,
            Host::Name(host) => Some(Self { host: host.clone(), port: target.port }),
        }
    }
}

/// Addresses for one port, in the order to try.
type ByPort = (Option<u16>, Vec<SocketAddr>);

/// What the shell found out so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolved {
    hosts: HashMap<Box<str>, Vec<ByPort>>,
}

impl Resolved {
    pub(super) fn set(&mut self, key: HostKey, addresses: Vec<SocketAddr>) {
        let ports = self.hosts.entry(key.host).or_default();
        match ports.iter_mut().find(|(port, _)| *port == key.port) {
            Some((_, known)) => *known = addresses,
            None => ports.push((key.port, addresses)),
        }
    }

    /// Addresses in the order to try; empty where none is known.
    pub(super) fn of(&self, host: &str, port: Option<u16>) -> &[SocketAddr] {
        let ports = self.hosts.get(host).map_or(&[][..], Vec::as_slice);
        ports.iter().find(|(known, _)| *known == port).map_or(&[], |(_, addresses)| addresses)
    }

    /// Forgets what no target names any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&HostKey) -> bool) {
        self.hosts.retain(|host, ports| {
            ports.retain(|(port, _)| wanted(&HostKey { host: host.clone(), port: *port }));
            !ports.is_empty()
        });
    }
}
