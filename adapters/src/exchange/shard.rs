//! The shard's thread.

use super::bind::Waiting;
use super::clock::Clock;
use super::gauges::Gauges;
use super::inbox::{Inbox, Notice};
use super::mint::ShellMint;
use super::pace::{Pace, Turn};
use super::waits::Stopwatch;
use crate::media::MediaOrders;
use crate::sip_socket::tcp::{TcpInput, TcpListener, TcpPump, TcpSettings};
use crate::sip_socket::udp::{UdpListener, UdpPump};
use domain::address::{Flow, Transport};
use domain::codec::DecodeError;
use domain::exchange::{Effect, Exchange};
use domain::log::{Committed, EventLog, StreamName};
use domain::ports::Keyring;
use domain::time::{Moment, Now};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// Batches read from one socket before others get their turn.
const BATCHES_A_TURN: usize = 8;

/// Nor is anything more read from it after this long: what was read waits for the end of the turn.
const LONGEST_READING: Duration = Duration::from_millis(20);

/// Token of the inbox; sockets have their index.
const INBOX: u64 = u64::MAX;

/// Tokens of listeners by TCP begin here.
const TCP: u64 = 1 << 32;

/// Why a shard could not start.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The system refused a thread, an epoll set or an event counter.
    #[error("the SIP thread could not be started: {0}; check the limits on threads and file descriptors")]
    System(#[from] io::Error),
    /// As above, said by the system in another way.
    #[error("the SIP thread could not be started: {0}; check the limits on threads and file descriptors")]
    Errno(#[from] nix::errno::Errno),
}

/// What a shard is made of.
pub struct ShardParts {
    /// The pure loop.
    pub exchange: Exchange,
    /// Where SIP comes and goes by UDP.
    pub listeners: Vec<UdpListener>,
    /// Where it comes and goes by TCP.
    pub tcp: Vec<TcpListener>,
    /// Limits of connections.
    pub tcp_settings: TcpSettings,
    /// Randomness, ids, keys and ports.
    pub mint: ShellMint,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Media.
    pub media: MediaOrders,
    /// What other threads tell it.
    pub inbox: Arc<Inbox>,
    /// Opens what is sealed in streams that are taken up again.
    pub keyring: Arc<dyn Keyring>,
    /// Reads a registration's stream and tells the inbox ([`Notice::Restored`]); returns at once.
    pub reread: Box<dyn Fn(StreamName) + Send>,
    /// Least time between two readings of the sockets. What arrives meanwhile shares a wake-up, a turn and a commit;
    /// the first message after a rest is read at once. Zero reads whenever something is there.
    pub gather: Duration,
    /// How long messages may wait before new calls are refused, for what is said of it.
    pub may_wait: Option<Duration>,
}

/// A running shard.
pub struct Shard {
    inbox: Arc<Inbox>,
    gauges: Arc<Gauges>,
    thread: Option<JoinHandle<()>>,
}

impl Shard {
    /// Starts the thread.
    pub fn start(parts: ShardParts) -> Result<Self, ShardError> {
        let gauges = Arc::new(Gauges::default());
        let inbox = Arc::clone(&parts.inbox);
        let epolls = [Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?];
        let published = Arc::clone(&gauges);
        let run = move || match Worker::new(parts, epolls, published) {
            Ok(worker) => worker.run(),
            Err(error) => tracing::error!(%error, "the SIP thread cannot watch its sockets: stopping"),
        };
        let thread = std::thread::Builder::new().name("sip-0".into()).spawn(run)?;
        Ok(Self { inbox, gauges, thread: Some(thread) })
    }

    /// Where to tell it things.
    pub const fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Its figures.
    pub const fn gauges(&self) -> &Arc<Gauges> {
        &self.gauges
    }

    /// Stops the thread. Calls that still run stay in the log as they are.
    pub fn stop(mut self) {
        self.inbox.tell(Notice::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the SIP thread panicked");
        }
    }
}

struct Worker {
    exchange: Exchange,
    pumps: Vec<UdpPump>,
    tcp: Vec<TcpPump>,
    mint: ShellMint,
    log: Arc<dyn EventLog>,
    media: MediaOrders,
    inbox: Arc<Inbox>,
    gauges: Arc<Gauges>,
    /// Sockets and inbox.
    everything: Epoll,
    /// The inbox alone: what is watched between two readings.
    inbox_alone: Epoll,
    keyring: Arc<dyn Keyring>,
    reread: Box<dyn Fn(StreamName) + Send>,
    waiting: Waiting,
    /// Everything is loaded: sockets are read.
    serving: bool,
    pace: Pace,
    waits: Stopwatch,
    may_wait: Duration,
    clock: Clock,
    reply: Arc<dyn Committed>,
    outgoing: Vec<Vec<(SocketAddr, bytes::Bytes)>>,
}

impl Worker {
    fn new(parts: ShardParts, [everything, inbox_alone]: [Epoll; 2], gauges: Arc<Gauges>) -> io::Result<Self> {
        let ShardParts { exchange, listeners, tcp, tcp_settings, mint, log, media, inbox, .. } = parts;
        let (keyring, reread) = (parts.keyring, parts.reread);
        let pumps: Vec<UdpPump> = listeners.into_iter().map(UdpListener::pump).collect();
        for (index, pump) in pumps.iter().enumerate() {
            everything.add(pump.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        }
        for epoll in [&everything, &inbox_alone] {
            epoll.add(inbox.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, INBOX))?;
        }
        let tcp = tcp.into_iter().map(|listener| listener.pump(tcp_settings.clone()));
        let tcp: Vec<TcpPump> = tcp.collect::<io::Result<_>>()?;
        for (index, pump) in tcp.iter().enumerate() {
            everything.add(pump.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TCP + index as u64))?;
        }
        let reply: Arc<dyn Committed> = Arc::clone(&inbox) as Arc<dyn Committed>;
        let outgoing = pumps.iter().map(|_| Vec::new()).collect();
        let clock = Clock::start();
        Ok(Self {
            exchange,
            pumps,
            tcp,
            mint,
            log,
            media,
            inbox,
            gauges,
            everything,
            inbox_alone,
            keyring,
            reread,
            waiting: Waiting::default(),
            serving: false,
            pace: Pace::new(parts.gather),
            waits: Stopwatch::default(),
            may_wait: parts.may_wait.unwrap_or_default(),
            clock,
            reply,
            outgoing,
        })
    }

    fn run(mut self) {
        let mut events = [EpollEvent::empty(); 16];
        loop {
            let now = self.clock.now().moment;
            let turn = self.pace.next(now);
            let ready = match self.wait(turn, now, &mut events) {
                Ok(ready) => ready,
                Err(nix::errno::Errno::EINTR) => 0,
                Err(error) => return tracing::error!(%error, "the SIP thread cannot wait for its sockets: stopping"),
            };
            let began = self.clock.now();
            let Some(mut worked) = self.serve(&events[..ready]) else { return };
            if turn == Turn::Work && self.serving {
                worked |= self.serve_timers(began);
                // What was left is behind already.
                if !self.waits.has_left() {
                    self.pace.over(turn, began.moment, worked);
                }
                self.judge_waits(began.moment);
            }
            self.carry_out();
        }
    }

    /// Waits until something is ready, or due.
    fn wait(&mut self, turn: Turn, now: Moment, events: &mut [EpollEvent]) -> nix::Result<usize> {
        let until = |at: Option<Moment>| at.map_or(EpollTimeout::NONE, |at| millis_until(at, now));
        match turn {
            Turn::Rest(at) => self.inbox_alone.wait(events, until(Some(at))),
            Turn::Work if !self.serving => self.inbox_alone.wait(events, EpollTimeout::NONE),
            Turn::Work => match self.everything.wait(events, EpollTimeout::ZERO)? {
                0 => {
                    // Only so is it known that there was nothing: a thread that is woken late looks as one that waited.
                    self.waits.rests(now);
                    self.everything.wait(events, until(self.next_deadline()))
                }
                ready => Ok(ready),
            },
        }
    }

    /// Serves what is ready; whether a socket was. `None` when the thread is to stop.
    fn serve(&mut self, ready: &[EpollEvent]) -> Option<bool> {
        let mut sockets = false;
        for event in ready {
            match event.data() {
                INBOX => {
                    if !self.read_inbox() {
                        return None;
                    }
                }
                index => {
                    match (usize::try_from(index), index.checked_sub(TCP).map(usize::try_from)) {
                        (_, Some(Ok(index))) => self.serve_tcp(index),
                        (Ok(index), None) => self.read_socket(index),
                        // No index of ours.
                        (Err(_), _) | (_, Some(Err(_))) => {}
                    }
                    sockets = true;
                }
            }
        }
        Some(sockets)
    }

    /// Timers that are due; whether any of the exchange's was.
    fn serve_timers(&mut self, now: Now) -> bool {
        self.expire_tcp(now);
        let due = self.exchange.next_wake().is_some_and(|at| at <= now.moment);
        if due {
            self.exchange.wake(now, &mut self.mint);
        }
        due
    }

    fn next_deadline(&self) -> Option<Moment> {
        let own = [self.exchange.next_wake(), self.exchange.next_wait()];
        self.tcp.iter().map(TcpPump::next_deadline).chain(own).flatten().min()
    }

    /// Tells the exchange what waited in a turn, and the operator what it makes of that.
    fn judge_waits(&mut self, began: Moment) {
        let now = self.clock.now().moment;
        let waits = self.waits.turned(began, now);
        self.exchange.waited(now, waits);
        self.waits.tell(now, self.exchange.overloaded(), self.may_wait);
    }

    fn read_socket(&mut self, index: usize) {
        let now = self.clock.now();
        let Self { exchange, pumps, mint, waits, clock, .. } = self;
        let Some(listener) = pumps.get_mut(index) else { return };
        let local = listener.address();
        for batch in 1..=BATCHES_A_TURN {
            let at = clock.now().moment;
            let received = listener.receive(|remote, datagram, stamp| {
                if let Some(stamp) = stamp {
                    exchange.waits(waits.read(at, stamp));
                }
                let flow = Flow { transport: Transport::Udp, local, remote };
                exchange.receive(now, mint, flow, datagram);
            });
            match received {
                Ok(count) => {
                    self.gauges.received.fetch_add(count as u64, Ordering::Relaxed);
                    if count < UdpPump::batch() {
                        break;
                    }
                    if batch == BATCHES_A_TURN || clock.now().moment.since(now.moment) >= LONGEST_READING {
                        waits.left_some();
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, listener = %local, "receiving failed");
                    break;
                }
            }
        }
    }

    fn serve_tcp(&mut self, index: usize) {
        let now = self.clock.now();
        let Self { exchange, tcp, mint, gauges, waits, .. } = self;
        let Some(pump) = tcp.get_mut(index) else { return };
        exchange.waits(waits.read_unstamped(now.moment));
        if let Err(error) = pump.turn(now.moment, |flow, input| take(exchange, mint, gauges, now, flow, input)) {
            tracing::error!(%error, listener = %pump.address(), "connections cannot be watched");
        }
    }

    fn expire_tcp(&mut self, now: Now) {
        let Self { exchange, tcp, mint, gauges, .. } = self;
        for pump in tcp.iter_mut().filter(|pump| pump.next_deadline().is_some_and(|at| at <= now.moment)) {
            pump.expire(now.moment, |flow, input| take(exchange, mint, gauges, now, flow, input));
        }
    }

    fn send_tcp(&mut self, flow: Flow, bytes: bytes::Bytes) {
        let now = self.clock.now().moment;
        self.gauges.sent.fetch_add(1, Ordering::Relaxed);
        let pump = self.tcp.iter_mut().find(|pump| pump.address() == flow.local);
        // What fails is told by the pump as the end of its flow.
        if pump.is_none_or(|pump| pump.send(now, flow, bytes).is_err()) {
            self.gauges.send_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// `false` when the thread is to stop.
    fn read_inbox(&mut self) -> bool {
        let now = self.clock.now();
        let Self { exchange, mint, inbox, keyring, waiting, serving, waits, .. } = self;
        for notice in inbox.take() {
            match notice {
                Notice::Outcomes(outcomes) => {
                    waits.answered(now.moment, &outcomes);
                    for outcome in outcomes {
                        waiting.answer(&outcome);
                        if let Err(error) = exchange.landed(outcome) {
                            tracing::error!(%error, "a stream is frozen: a call that it is of cannot go on");
                        }
                    }
                    waiting.decide_again(exchange, now, mint);
                }
                Notice::Media(reports) => reports.iter().for_each(|report| exchange.report(now, mint, report)),
                Notice::Provisioned(changes, done) => {
                    changes.iter().for_each(|change| exchange.provision(change));
                    // Who asked may have gone meanwhile; the change stands.
                    let _ = done.send(());
                }
                Notice::Hosts(reply) => {
                    // Who asked may have gone.
                    let _ = reply.send(exchange.hosts());
                }
                Notice::Resolved(host, addresses) => exchange.resolved(host, addresses),
                Notice::ExpectAddresses(addresses) => exchange.expect_addresses(addresses),
                Notice::ExpectNumbers(numbers) => exchange.expect_numbers(numbers),
                Notice::Bindings(all) => {
                    for (stream, restored) in all {
                        tell_unreadable(exchange.restore_bindings(now, &stream, restored));
                    }
                }
                Notice::Restored(stream, events) => {
                    tell_unreadable(exchange.restore_registration(now, mint, (&stream, &events), &**keyring));
                    waiting.decide_again(exchange, now, mint);
                }
                Notice::TakeUp(histories, reply) => {
                    // Who asked may have gone.
                    let _ = reply.send(exchange.take_up(now, mint, *histories));
                }
                Notice::EndCutOff(lasts) => exchange.end_cut_off(now, mint, &lasts),
                Notice::Serve => {
                    exchange.serve(now, mint);
                    *serving = true;
                }
                Notice::Bind(command) => waiting.decide(exchange, now, mint, *command),
                Notice::Standings(trunks, reply) => {
                    let known = |id| Some((id, exchange.standing(id)?.clone()));
                    // Who asked may have gone.
                    let _ = reply.send(trunks.into_iter().filter_map(known).collect());
                }
                Notice::Drain => exchange.drain(),
                Notice::ReleaseAll => exchange.release_all(now, mint),
                Notice::Stop => return false,
            }
        }
        true
    }

    /// Sends what may leave, submits what is to become durable, publishes the figures.
    fn carry_out(&mut self) {
        let mut orders = Vec::new();
        for effect in self.exchange.effects() {
            match effect {
                Effect::Transmit { flow, bytes } if flow.transport == Transport::Tcp => self.send_tcp(flow, bytes),
                Effect::Transmit { flow, bytes } => {
                    let index = self.pumps.iter().position(|listener| listener.address() == flow.local);
                    if let Some(queue) = index.and_then(|index| self.outgoing.get_mut(index)) {
                        queue.push((flow.remote, bytes));
                    }
                }
                Effect::Media(order) => orders.push(order),
                // The exchange has done it.
                Effect::Bind(_) | Effect::Proceed(..) | Effect::Stand(_) => {}
            }
        }
        for (queue, listener) in self.outgoing.iter_mut().zip(&mut self.pumps) {
            if !queue.is_empty() {
                let lost = listener.send(queue);
                self.gauges.sent.fetch_add(queue.len() as u64, Ordering::Relaxed);
                self.gauges.send_failures.fetch_add(lost as u64, Ordering::Relaxed);
                queue.clear();
            }
        }
        if !orders.is_empty() {
            self.media.order(orders);
        }
        self.exchange.take_unread().into_iter().for_each(&self.reread);
        let now = self.clock.now();
        let appends = self.exchange.appends(now, &mut self.mint);
        if !appends.is_empty() {
            self.gauges.appends.fetch_add(appends.len() as u64, Ordering::Relaxed);
            self.waits.submitted(now.moment, appends.len());
            self.log.submit(appends, Arc::clone(&self.reply));
        }
        self.gauges.publish(self.exchange.census());
        self.gauges.publish_guard(self.exchange.guard_figures());
        self.gauges.publish_overload(self.exchange.overloaded());
        self.gauges.publish_tcp(&self.tcp);
    }
}

/// What a connection brings, to the exchange.
fn take(exchange: &mut Exchange, mint: &mut ShellMint, gauges: &Gauges, now: Now, flow: Flow, input: TcpInput) {
    match input {
        TcpInput::Message(bytes) => {
            gauges.received.fetch_add(1, Ordering::Relaxed);
            exchange.receive(now, mint, flow, bytes);
        }
        TcpInput::Ping => exchange.pinged(now, flow),
        TcpInput::Broken(fault) => exchange.receive_broken(now, mint, flow, &fault),
        TcpInput::Closed => exchange.flow_failed(now, mint, flow),
    }
}

fn tell_unreadable(restored: Result<(), DecodeError>) {
    if let Err(error) = restored {
        tracing::error!(%error, "bindings of a user cannot be read: REGISTERs of the user are refused");
    }
}

/// Rounded up, so that what is waited for is due when we wake.
fn millis_until(at: Moment, now: Moment) -> EpollTimeout {
    let millis = at.since(now).as_micros().div_ceil(1_000);
    EpollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
}
