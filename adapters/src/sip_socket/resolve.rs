//! Addresses of the host names that trunks and numbers point at: looked up ahead of calls, many at once, and again every
//! minute, so that no call waits for DNS. A and AAAA records; SRV and NAPTR (RFC 3263) come later.

use crate::exchange::{Inbox, Notice};
use domain::domain_name::{DomainEvent, DomainName};
use domain::number::{NumberEvent, SipTarget, Target};
use domain::routing::{HostKey, Provisioned, ProvisioningEvent};
use domain::trunk::{TrunkEvent, TrunkSettings};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// Where SIP is where nothing else is said (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// How old an answer gets.
const REFRESH: Duration = Duration::from_secs(60);

/// After how long a name is looked up again that did not resolve; the next time after twice as long, up to [`REFRESH`].
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The most look-ups at once: a name whose servers are silent must not hold up the others.
const AT_ONCE: usize = 16;

/// The most names that are kept fresh; more are looked up once.
const MOST: usize = 10_000;

/// What the task is told.
#[derive(Debug)]
enum News {
    /// A trunk or number points there.
    Wanted(HostKey),
    /// A domain is served here, or no longer: what points at its users needs no DNS.
    Own(DomainName, bool),
    /// Somebody waits until these have been looked up.
    Awaited(BTreeSet<HostKey>, oneshot::Sender<()>),
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
        Self::by(inbox, ask_resolver)
    }

    fn by<L, F>(inbox: Arc<Inbox>, look_up: L) -> Self
    where
        L: Fn(HostKey) -> F + Send + 'static,
        F: Future<Output = Found> + Send + 'static,
    {
        let (news, heard) = mpsc::unbounded_channel();
        tokio::spawn(Fresh::new(inbox).keep(heard, look_up));
        Self { news }
    }

    /// Looks up the names in these events, soon.
    pub fn look_up(&self, events: &[Provisioned]) {
        for news in events.iter().flat_map(|provisioned| News::of(&provisioned.event)) {
            // The task is gone only while the exchange stops.
            let _ = self.news.send(news);
        }
    }

    /// Waits until each of these, of those that are to be looked up, has been once, to whatever effect.
    pub async fn looked_up(&self, hosts: Vec<HostKey>) {
        let (done, all) = oneshot::channel();
        // The task is gone only while the exchange stops.
        let _ = self.news.send(News::Awaited(hosts.into_iter().collect(), done));
        let _ = all.await;
    }
}

/// A name, and what a look-up of it came to.
type Found = (HostKey, io::Result<Vec<SocketAddr>>);

async fn ask_resolver(name: HostKey) -> Found {
    let found = tokio::net::lookup_host((&*name.host, name.port.unwrap_or(SIP_PORT))).await;
    let found = found.map(Iterator::collect);
    (name, found)
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

/// Names that are kept fresh.
struct Fresh {
    inbox: Arc<Inbox>,
    /// Names, and how often each has failed in a row.
    known: HashMap<HostKey, u32>,
    /// Those that have not been looked up yet.
    untried: BTreeSet<HostKey>,
    /// When each is looked up next.
    due: BTreeSet<(Instant, HostKey)>,
    running: JoinSet<Found>,
    own: BTreeSet<DomainName>,
    /// What is waited for, and by whom.
    awaited: Vec<(BTreeSet<HostKey>, oneshot::Sender<()>)>,
}

impl Fresh {
    fn new(inbox: Arc<Inbox>) -> Self {
        Self {
            inbox,
            known: HashMap::new(),
            untried: BTreeSet::new(),
            due: BTreeSet::new(),
            running: JoinSet::new(),
            own: BTreeSet::new(),
            awaited: Vec::new(),
        }
    }

    async fn keep<L, F>(mut self, mut news: mpsc::UnboundedReceiver<News>, look_up: L)
    where
        L: Fn(HostKey) -> F,
        F: Future<Output = Found> + Send + 'static,
    {
        loop {
            let next = self.begin_due(&look_up);
            tokio::select! {
                heard = news.recv() => match heard {
                    None => return,
                    Some(heard) => self.hear(heard),
                },
                Some(done) = self.running.join_next() => self.done(done),
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// Begins what is due, as far as there is room: what is due longest first. When the next is, where it has room.
    fn begin_due<L, F>(&mut self, look_up: &L) -> Option<Instant>
    where
        L: Fn(HostKey) -> F,
        F: Future<Output = Found> + Send + 'static,
    {
        while self.running.len() < AT_ONCE {
            let next = self.due.first().map(|(at, _)| *at)?;
            if next > Instant::now() {
                return Some(next);
            }
            if let Some((_, name)) = self.due.pop_first() {
                self.running.spawn(look_up(name));
            }
        }
        None
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Own(name, true) => drop(self.own.insert(name)),
            News::Own(name, false) => drop(self.own.remove(&name)),
            // As many numbers as there are may point at one host.
            News::Wanted(name) if self.known.contains_key(&name) => {}
            News::Wanted(name) => {
                if self.untried.insert(name.clone()) {
                    self.due.insert((Instant::now(), name));
                }
            }
            News::Awaited(hosts, done) => {
                let counts = |name: &HostKey| self.untried.contains(name) && !is_own(&self.own, name);
                self.awaited.push((hosts.into_iter().filter(counts).collect(), done));
                self.answer_waiting();
            }
        }
    }

    /// A name that does not resolve now keeps the addresses it had: DNS that is away must not end calls.
    fn done(&mut self, done: Result<Found, JoinError>) {
        let (name, found) = match done {
            Ok(found) => found,
            Err(error) => return tracing::error!(%error, "a look-up broke off"),
        };
        let failures = match found {
            Ok(addresses) => {
                self.inbox.tell(Notice::Resolved(name.clone(), addresses));
                0
            }
            Err(_) if is_own(&self.own, &name) => 0,
            Err(error) => {
                tracing::warn!(host = %name.host, %error, "the name of a trunk or target does not resolve");
                self.known.get(&name).map_or(1, |failures| failures.saturating_add(1))
            }
        };
        self.untried.remove(&name);
        for (names, _) in &mut self.awaited {
            names.remove(&name);
        }
        self.answer_waiting();
        if self.known.len() < MOST || self.known.contains_key(&name) {
            self.due.insert((Instant::now() + wait_after(failures), name.clone()));
            self.known.insert(name, failures);
        }
    }

    fn answer_waiting(&mut self) {
        for (_, done) in self.awaited.extract_if(.., |(names, _)| names.is_empty()) {
            // Who waited may have lost patience.
            let _ = done.send(());
        }
    }
}

/// Whether a name is a domain that is served here.
fn is_own(own: &BTreeSet<DomainName>, name: &HostKey) -> bool {
    name.host.parse().is_ok_and(|name| own.contains(&name))
}

/// When a name is looked up again that failed so often in a row.
fn wait_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => REFRESH,
        Some(before) => FIRST_RETRY.saturating_mul(1 << before.min(6)).min(REFRESH),
    }
}

#[cfg(test)]
mod tests;
