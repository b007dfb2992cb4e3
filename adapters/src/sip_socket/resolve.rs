//! Addresses of the host names that trunks and numbers point at: looked up ahead of calls, and again every minute, so
//! that no call waits for DNS. A and AAAA records; SRV and NAPTR (RFC 3263) come later.

use crate::exchange::{Inbox, Notice};
use domain::domain_name::{DomainEvent, DomainName};
use domain::number::{NumberEvent, SipTarget, Target};
use domain::routing::{HostKey, Provisioned, ProvisioningEvent};
use domain::trunk::{TrunkEvent, TrunkSettings};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Where SIP is where nothing else is said (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// How old an answer gets.
const REFRESH: Duration = Duration::from_secs(60);

/// The most names that are kept fresh; more are looked up once.
const MOST: usize = 10_000;

/// What the task is told.
#[derive(Debug)]
enum News {
    /// A trunk or number points there.
    Wanted(HostKey),
    /// A domain is served here, or no longer: what points at its users needs no DNS.
    Own(DomainName, bool),
}

impl News {
    fn of(event: &ProvisioningEvent) -> Vec<Self> {
        match event {
            ProvisioningEvent::Domain(DomainEvent::Added(added)) => vec![Self::Own(added.name.clone(), true)],
            ProvisioningEvent::Domain(DomainEvent::Removed(removed)) => vec![Self::Own(removed.name.clone(), false)],
            other => targets(other).into_iter().flatten().filter_map(HostKey::of).map(Self::Wanted).collect(),
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Names {
    news: mpsc::UnboundedSender<News>,
}

impl Names {
    /// Starts the task that looks names up; it ends with the last handle.
    pub fn start(inbox: Arc<Inbox>) -> Self {
        let (news, heard) = mpsc::unbounded_channel();
        tokio::spawn(keep_fresh(heard, inbox));
        Self { news }
    }

    /// Looks up the names in these events, soon.
    pub fn look_up(&self, events: &[Provisioned]) {
        for news in events.iter().flat_map(|provisioned| News::of(&provisioned.event)) {
            // The task is gone only while the exchange stops.
            let _ = self.news.send(news);
        }
    }
}

/// What an event points at: of a trunk its destination and its registrar.
fn targets(event: &ProvisioningEvent) -> [Option<&SipTarget>; 2] {
    match event {
        ProvisioningEvent::Number(NumberEvent::Claimed(claimed)) => [Some(of_number(&claimed.target)), None],
        ProvisioningEvent::Number(NumberEvent::Retargeted(retargeted)) => [Some(of_number(&retargeted.target)), None],
        ProvisioningEvent::Trunk(TrunkEvent::Added(added)) => of_trunk(&added.settings),
        ProvisioningEvent::Trunk(TrunkEvent::Changed(changed)) => of_trunk(&changed.settings),
        ProvisioningEvent::Number(NumberEvent::Released(_))
        | ProvisioningEvent::Trunk(TrunkEvent::Removed(_))
        | ProvisioningEvent::Account(_)
        | ProvisioningEvent::Domain(_)
        | ProvisioningEvent::Credential(_) => [None, None],
    }
}

fn of_trunk(settings: &TrunkSettings) -> [Option<&SipTarget>; 2] {
    [settings.destination.as_ref(), settings.register.as_deref().map(|register| &register.registrar)]
}

const fn of_number(target: &Target) -> &SipTarget {
    match target {
        Target::Sip(uri) => uri,
    }
}

async fn keep_fresh(mut news: mpsc::UnboundedReceiver<News>, inbox: Arc<Inbox>) {
    let mut known: BTreeSet<HostKey> = BTreeSet::new();
    let mut own: BTreeSet<DomainName> = BTreeSet::new();
    let mut refresh = tokio::time::interval(REFRESH);
    loop {
        tokio::select! {
            heard = news.recv() => match heard {
                None => return,
                Some(News::Own(name, true)) => drop(own.insert(name)),
                Some(News::Own(name, false)) => drop(own.remove(&name)),
                // As many numbers as there are may point at one host.
                Some(News::Wanted(name)) if known.contains(&name) => {}
                Some(News::Wanted(name)) => {
                    look_up(&name, &own, &inbox).await;
                    if known.len() < MOST {
                        known.insert(name);
                    }
                }
            },
            _ = refresh.tick() => {
                for name in &known {
                    look_up(name, &own, &inbox).await;
                }
            }
        }
    }
}

/// A name that does not resolve now keeps the addresses it had: DNS that is away must not end calls.
async fn look_up(name: &HostKey, own: &BTreeSet<DomainName>, inbox: &Inbox) {
    match tokio::net::lookup_host((&*name.host, name.port.unwrap_or(SIP_PORT))).await {
        Ok(addresses) => inbox.tell(Notice::Resolved(name.clone(), addresses.collect())),
        Err(_) if name.host.parse().is_ok_and(|name| own.contains(&name)) => {}
        Err(error) => tracing::warn!(host = %name.host, %error, "the name of a trunk or target does not resolve"),
    }
}
