//! The one place that names concrete adapters: a whole exchange from a configuration.

use crate::config::{Config, ConfigError};
use crate::routes::erasures::ErasureState;
use crate::routes::events::EventState;
use crate::routes::notary::NotaryState;
use crate::routes::registrations::RegistrationState;
use crate::routes::sessions::SessionState;
use crate::{AppState, Readiness};
use adapters::entropy::Entropy;
use adapters::erasure::Erasures;
use adapters::exchange::{Gauges, Inbox, Notice, Shard, ShardParts, ShellMint};
use adapters::holder::Holder;
use adapters::kept::Keeper;
use adapters::keyring::{Keyring, Master};
use adapters::media::{MediaPlane, MediaSettings};
use adapters::node::Node;
use adapters::notary::Notary;
use adapters::provisioning::{FirstAccount, MachineMeans, Provisioning, Token, Unavailable};
use adapters::sip_socket::resolve::Names;
use adapters::sip_socket::tcp::{TcpListener, TcpSettings};
use adapters::sip_socket::udp::UdpListener;
use domain::address::Transport;
use domain::codec::seal::SealKey;
use domain::draws::Draws;
use domain::exchange::{Exchange, ExchangeSettings, Listener};
use domain::ids::AccountId;
use domain::log::{EventLog, StreamName};
use domain::media::MediaReport;
use domain::registration::{Aor, Registrar};
use domain::routing::Tables;
use domain::sip::endpoint::EndpointSettings;
use domain::sip::timer::TimerValues;
use domain::uplink::Standings;
use event_store_db::door::Door;
use projections::Views;
use projections::events::EventFeed;
use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod again;
mod calls;
mod erasures;
mod error;
mod http;
mod kept;
mod laps;
mod log;
mod metrics;
mod notary;
mod registrations;
mod tables;
mod views;

pub use again::{Past, PastError};
pub use error::StartError;
pub use log::{LogServer, ReadingError, open_for_reading, serve_log};
pub use notary::key_in as notary_key_in;
pub use views::database_of;

/// How long a query may wait to be as fresh as it asks.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a start waits for host names: as long as a resolver takes that is well, and not for one that is not.
const NAMES_PATIENCE: Duration = Duration::from_secs(1);

/// Who the operator says the first account is.
#[derive(Debug, Clone, Default)]
pub struct FirstAccountSettings {
    /// Its id; drawn where not set.
    pub sid: Option<AccountId>,
    /// Its secret; drawn where not set.
    pub token: Option<Token>,
}

/// A running exchange.
pub struct Running {
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where SIP listens.
    pub sip: Vec<Listener>,
    /// The first account.
    pub first_account: FirstAccount,
    readiness: Readiness,
    inbox: Arc<Inbox>,
    gauges: Arc<Gauges>,
    shard: Shard,
    media: MediaPlane,
    views: Arc<Views>,
    notary: Notary,
    keepers: Vec<Keeper>,
    door: Option<Door>,
    server: http::Server,
}

/// Starts an exchange. It takes calls when this returns.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: &Config, first: FirstAccountSettings) -> Result<Running, StartError> {
    let mut laps = laps::Laps::begin();
    let holder = Arc::new(Holder::from_environment()?);
    let folder = || config.data.display().to_string();
    make_private_folder(&config.data).map_err(|source| StartError::Folder { folder: folder(), source })?;
    let log::Opened { log, written, is_new } = log::open(config).await?;
    let node = Node::start(&config.data.join("node"), config.node, is_new)?;
    let master = Master::File(config.data.join("keyring.key"));
    let keyring = Arc::new(Keyring::open(&config.data.join("keyring.db"), &master)?);
    let shelves = kept::Shelves::of(config, &keyring);
    erasures::again(&log, &keyring, &shelves).await?;
    laps.lap("log and keyring");

    let inbox = Arc::new(Inbox::new()?);
    let (media, ports) = start_media(config, Arc::clone(&inbox), Arc::clone(&holder))?;
    let Bound { udp, tcp, known: sip } = bind_listeners(config, &holder)?;
    let mut entropy = Entropy::new();
    let settings = exchange_settings(config, &sip, node, entropy.bits(), keyring.derived("exchange"))?;
    let draws = Draws::new(*keyring.derived("draws").expose(), node.number, node.epoch, 0);
    let mint = ShellMint::new(draws, Arc::clone(&keyring), Box::new(ports));
    let shard = Shard::start(ShardParts {
        exchange: Exchange::new(settings, Tables::default()),
        listeners: udp,
        tcp,
        tcp_settings: tcp_settings(config),
        mint,
        log: Arc::clone(&log),
        media: media.orders(),
        inbox: Arc::clone(&inbox),
        keyring: keyring.clone(),
        reread: registrations::reader_of(Arc::clone(&log), Arc::clone(&inbox)),
        gather: Duration::from_millis(config.sip.gather_ms),
        may_wait: config.sip.may_wait(),
    })?;
    let (provisioning, first_account) = take_up(config, &first, (&log, &keyring, &inbox, &shelves), node, laps).await?;
    let erasures = erasures::start(&log, (&keyring, &shelves), node).await?;
    let views = Arc::new(Views::open(views::database_of(config)?, Arc::clone(&log), keyring.clone()).await?);

    let parts = metrics::Parts { gauges: shard.gauges(), media: media.orders(), views: &views, log: &log, written };
    let metrics = Arc::new(parts.metrics());
    let door = log::open_door(config, &log).await?;
    let readiness = Readiness::default();
    let standings = Arc::clone(&inbox) as Arc<dyn Standings>;
    let keepers = shelves.keep(&log, &keyring);
    let state =
        AppState { provisioning, log, keyring, standings, readiness: readiness.clone(), metrics, patience: PATIENCE };
    let (notary, proofs) = notary::start(config, &state.log, node, &state).await?;
    let metrics = Arc::clone(&state.metrics);
    let router = router(state, &views, &inbox, erasures, proofs);
    let server = http::serve(config, router, &holder, &metrics).await?;
    readiness.set(true);
    holder.serves();
    let gauges = Arc::clone(shard.gauges());
    Ok(Running {
        http: server.address,
        sip,
        first_account,
        readiness,
        inbox,
        gauges,
        shard,
        media,
        views,
        notary,
        keepers,
        door,
        server,
    })
}

/// Takes up what the log tells: what is provisioned, bindings, and calls that ran. From then on everybody is served.
async fn take_up(
    config: &Config,
    first: &FirstAccountSettings,
    (log, keyring, inbox, shelves): (&Arc<dyn EventLog>, &Arc<Keyring>, &Arc<Inbox>, &kept::Shelves),
    node: Node,
    mut laps: laps::Laps,
) -> Result<(Provisioning, FirstAccount), StartError> {
    // Beside what is provisioned: none asks for the others.
    let (of_users, of_calls) =
        log.open_streams().await?.into_iter().partition(|stream| stream.category() == Aor::CATEGORY);
    let bindings = registrations::restoring(log, keyring, inbox, (shelves.addresses.clone(), of_users));
    let calls = calls::reading(log, keyring, of_calls, calls::remembered_since(config));
    let means = Arc::new(MachineMeans::new(node, Arc::clone(keyring)));
    let names = Names::start(Arc::clone(inbox));
    let sink = tables::ShardTables { inbox: Arc::clone(inbox), keyring: Arc::clone(keyring), names: names.clone() };
    let provisioning =
        Provisioning::start(Arc::clone(log), means, Arc::new(sink), node.number, shelves.numbers.as_deref()).await?;
    let names = tokio::spawn(tokio::time::timeout(NAMES_PATIENCE, tables::names_known(Arc::clone(inbox), names)));
    let first_account = make_first_account(&provisioning, first).await?;
    laps.lap("provisioning");
    registrations::finished(bindings.await)?;
    laps.lap("bindings");
    calls::take_up(keyring, inbox, calls).await?;
    laps.lap("calls");
    // What is not known by now is looked up while others are served.
    let _ = names.await;
    laps.lap("host names");
    // Everything that requests are judged by has been told.
    inbox.tell(Notice::Serve);
    laps.tell();
    Ok((provisioning, first_account))
}

/// Every route with what it needs.
fn router(
    state: AppState,
    views: &Arc<Views>,
    inbox: &Arc<Inbox>,
    erasures: Arc<Erasures>,
    proofs: NotaryState,
) -> axum::Router {
    let feed = Arc::new(EventFeed::new(Arc::clone(&state.log), Arc::clone(&state.keyring)));
    let erasures = ErasureState {
        app: state.clone(),
        views: Arc::clone(views),
        log: Arc::clone(&state.log),
        keyring: Arc::clone(&state.keyring),
        erasures,
    };
    let sessions = SessionState { app: state.clone(), views: Arc::clone(views) };
    let events = EventState::new(state.clone(), feed);
    let registrar = Arc::clone(inbox) as Arc<dyn Registrar>;
    let registrations = RegistrationState { app: state.clone(), views: Arc::clone(views), registrar };
    crate::whole_router(state, sessions, events, registrations, (erasures, proofs))
}

impl Running {
    /// Where the log's door listens, if there is one.
    pub fn door(&self) -> Option<SocketAddr> {
        self.door.as_ref().map(Door::address)
    }

    /// How many calls run.
    pub fn live_sessions(&self) -> u64 {
        self.gauges.live_sessions()
    }

    /// At how many trunks we are registered.
    pub fn registrations(&self) -> u64 {
        self.gauges.registrations()
    }

    /// Takes no new calls; the running ones go on.
    pub fn drain(&self) {
        self.readiness.set(false);
        self.inbox.tell(Notice::Drain);
    }

    /// Ends every call that still runs.
    pub fn release_calls(&self) {
        self.inbox.tell(Notice::ReleaseAll);
    }

    /// Stops everything, the log last.
    pub async fn stop(self) {
        self.readiness.set(false);
        self.server.stop(Duration::from_secs(2)).await;
        if let Some(door) = self.door {
            door.close().await;
        }
        drop(self.keepers);
        self.shard.stop();
        self.media.shutdown();
        self.notary.stop(Duration::from_secs(2)).await;
        self.views.close().await;
    }
}

/// What is in it names callers and called: nobody else's business.
fn make_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn start_media(
    config: &Config,
    inbox: Arc<Inbox>,
    holder: Arc<Holder>,
) -> Result<(MediaPlane, adapters::media::PortPool), StartError> {
    let defaults = MediaSettings::default();
    let settings = MediaSettings {
        address: config.media.address,
        advertised: config.media.advertise.unwrap_or(config.media.address),
        ports: config.media.port_range()?,
        threads: config.media.threads.unwrap_or(defaults.threads),
        silence_after: Duration::from_secs(config.media.silence_after_s),
        holder,
        ..defaults
    };
    Ok(MediaPlane::start(settings, move |reports: Vec<MediaReport>| inbox.tell(Notice::Media(reports)))?)
}

/// Listeners by transport, and all as the exchange knows them.
#[derive(Default)]
struct Bound {
    udp: Vec<UdpListener>,
    tcp: Vec<TcpListener>,
    known: Vec<Listener>,
}

fn bind_listeners(config: &Config, holder: &Holder) -> Result<Bound, StartError> {
    let mut bound = Bound::default();
    for (index, listener) in config.sip.listeners.iter().enumerate() {
        let crate::config::Listener { address, advertise, role, transport } = *listener;
        let refused = |source| StartError::Sip { address, source };
        let name = format!("sip {index} {transport:?} {address}");
        let held = holder.take(&name).and_then(|mut sockets| sockets.pop());
        let address = match transport {
            Transport::Udp => {
                let listener = match held {
                    Some(socket) => UdpListener::held(socket, advertise),
                    None => UdpListener::bind(address, advertise),
                };
                let listener = listener.map_err(refused)?;
                holder.keep(&name, &[listener.as_fd()]);
                let address = listener.address();
                bound.udp.push(listener);
                address
            }
            Transport::Tcp => {
                let listener = match held {
                    Some(socket) => TcpListener::held(socket, advertise),
                    None => TcpListener::bind(address, advertise),
                };
                let listener = listener.map_err(refused)?;
                holder.keep(&name, &[listener.as_fd()]);
                let address = listener.address();
                bound.tcp.push(listener);
                address
            }
        };
        bound.known.push(Listener { address, role, transport });
    }
    Ok(bound)
}

fn tcp_settings(config: &Config) -> TcpSettings {
    let crate::config::Tcp { connections, connections_per_host, idle_s } = config.sip.tcp;
    let idle = Duration::from_secs(idle_s);
    TcpSettings { connections, connections_per_host, idle, ..TcpSettings::default() }
}

fn exchange_settings(
    config: &Config,
    sip: &[Listener],
    node: Node,
    tag_secret: u64,
    secret: SealKey,
) -> Result<ExchangeSettings, ConfigError> {
    let t1 = Duration::from_millis(config.sip.t1_ms);
    Ok(ExchangeSettings {
        algorithms: config.sip.algorithms()?,
        endpoint: EndpointSettings {
            // RFC 3261's ratios hold for any T1.
            timers: TimerValues { t1, t2: t1 * 8, t4: t1 * 10 },
            software: concat!("Strowger/", env!("CARGO_PKG_VERSION")).into(),
            tag_secret,
            intervals: config.sip.intervals()?,
        },
        node: node.number,
        epoch: node.epoch,
        secret,
        edge_stream: StreamName::new("edge", format_args!("{}-0-{}", node.number, node.epoch)),
        domain: config.sip.domain()?.map(Into::into),
        ping: Some(Duration::from_secs(config.sip.registrar.ping_s)).filter(|every| !every.is_zero()),
        listeners: sip.to_vec(),
        guard: config.sip.guard.settings(),
        may_wait: config.sip.may_wait(),
    })
}

async fn make_first_account(
    provisioning: &Provisioning,
    first: &FirstAccountSettings,
) -> Result<FirstAccount, StartError> {
    match provisioning.ensure_first_account(first.sid, first.token.as_ref()).await {
        Ok(Ok(account)) => Ok(account),
        Ok(Err(rejection)) => Err(StartError::FirstAccount(rejection.to_string())),
        Err(Unavailable { why, .. }) => Err(StartError::FirstAccount(why)),
    }
}
