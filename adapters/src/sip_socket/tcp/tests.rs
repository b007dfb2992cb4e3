//! Connections over loopback. Time is what the tests say; what is waited for is the kernel alone, with a deadline.

use super::{SendError, TcpInput, TcpListener, TcpPump, TcpSettings};
use bytes::Bytes;
use domain::address::{Flow, Transport};
use domain::sip::wire::Unstreamed;
use domain::time::Moment;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

const NOW: Moment = Moment::from_micros(1_000_000);

/// A pump, the time, and what it has told.
struct Bench {
    pump: TcpPump,
    now: Moment,
    told: Vec<(Flow, TcpInput)>,
}

impl Bench {
    fn new(settings: TcpSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
        Self { pump: listener.pump(settings).unwrap(), now: NOW, told: Vec::new() }
    }

    /// A peer that connected, and was accepted.
    fn peer(&mut self) -> TcpStream {
        let before = self.pump.figures();
        let peer = connect(self.pump.address());
        self.until("the connection is accepted or refused", |bench| {
            let now = bench.pump.figures();
            now.accepted + now.refused > before.accepted + before.refused
        });
        peer
    }

    fn turn(&mut self) {
        let Self { pump, now, told } = self;
        pump.turn(*now, |flow, input| told.push((flow, input))).unwrap();
    }

    /// Turns until something is so.
    #[track_caller]
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let ready = {
                let mut watched = [PollFd::new(self.pump.as_fd(), PollFlags::POLLIN)];
                poll(&mut watched, PollTimeout::from(5_000u16)).unwrap()
            };
            assert!(ready > 0, "nothing happens, and not: {what}");
            self.turn();
        }
    }

    /// Turns until so many inputs were told, and takes them.
    #[track_caller]
    fn told(&mut self, count: usize) -> Vec<(Flow, TcpInput)> {
        self.until("enough was told", |bench| bench.told.len() >= count);
        std::mem::take(&mut self.told)
    }

    /// Time passes.
    fn pass(&mut self, span: Duration) -> Vec<(Flow, TcpInput)> {
        self.now = self.now + span;
        let Self { pump, now, told } = self;
        pump.expire(*now, |flow, input| told.push((flow, input)));
        std::mem::take(told)
    }

    fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Tcp, local: self.pump.address(), remote }
    }

    fn send(&mut self, remote: SocketAddr, bytes: impl Into<Bytes>) -> Result<(), SendError> {
        let flow = self.flow(remote);
        self.pump.send(self.now, flow, bytes.into())
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(to).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer
}

/// Somebody who listens: the exchange may connect there.
fn somebody() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn options(headers: &str) -> String {
    format!(
        "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:a>\r\nCall-ID: 1\r\n\
         CSeq: 1 OPTIONS\r\n{headers}\r\n"
    )
}

fn message() -> String {
    options("Content-Length: 0\r\n")
}

fn heard(text: &str) -> TcpInput {
    TcpInput::Message(Bytes::copy_from_slice(text.as_bytes()))
}

fn read(peer: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

/// The peer has nothing more to read, and never will.
#[track_caller]
fn assert_closed(peer: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = peer.read_to_end(&mut rest);
    let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
    assert!(end.as_ref().is_ok_and(|count| *count == 0) || end.as_ref().is_err_and(reset), "{end:?} {rest:?}");
}

#[test]
fn messages_arrive_whole_with_their_flow_and_answers_go_back_by_the_same_connection() {
    let mut bench = Bench::new(TcpSettings::default());
    let (mut first, mut second) = (bench.peer(), bench.peer());
    let text = message();
    let (start, rest) = text.split_at(40);
    first.write_all(start.as_bytes()).unwrap();
    second.write_all(format!("{text}{text}").as_bytes()).unwrap();
    let flows = [&first, &second].map(|peer| bench.flow(peer.local_addr().unwrap()));
    assert_eq!(bench.told(2), [(flows[1], heard(&text)), (flows[1], heard(&text))]);
    first.write_all(rest.as_bytes()).unwrap();
    assert_eq!(bench.told(1), [(flows[0], heard(&text))]);
    bench.send(flows[1].remote, "to the second").unwrap();
    bench.send(flows[0].remote, "to the first").unwrap();
    assert_eq!(read(&mut first, 12), b"to the first");
    assert_eq!(read(&mut second, 13), b"to the second");
    assert_eq!(bench.pump.figures().open, 2, "no other connection was opened");
}

#[test]
fn a_ping_is_answered_and_told_in_its_place() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut peer = bench.peer();
    peer.write_all(format!("\r\n\r\n{}\r\n\r\n\r\n", message()).as_bytes()).unwrap();
    let flow = bench.flow(peer.local_addr().unwrap());
    assert_eq!(bench.told(3), [(flow, TcpInput::Ping), (flow, heard(&message())), (flow, TcpInput::Ping)]);
    assert_eq!(bench.pump.figures().pings, 2);
    assert_eq!(read(&mut peer, 4), b"\r\n\r\n");
}

#[test]
fn a_flow_without_connection_gets_one_and_keeps_it() {
    let mut bench = Bench::new(TcpSettings::default());
    let (listener, address) = somebody();
    bench.send(address, "one ").unwrap();
    bench.send(address, "two ").unwrap();
    bench.until("it is connected", |bench| bench.pump.figures().connected == 1);
    bench.send(address, "three").unwrap();
    let (mut peer, from) = listener.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(read(&mut peer, 13), b"one two three");
    assert_eq!(from.ip(), bench.pump.address().ip(), "from the address that peers know");
    peer.write_all(message().as_bytes()).unwrap();
    assert_eq!(bench.told(1), [(bench.flow(address), heard(&message()))]);
    assert_eq!(bench.pump.figures().open, 1);
}

#[test]
fn a_connection_that_is_refused_is_told() {
    let mut bench = Bench::new(TcpSettings::default());
    let (listener, address) = somebody();
    drop(listener);
    // The system may refuse at once or a little later.
    let sent = bench.send(address, "x");
    assert!(matches!(sent, Ok(()) | Err(SendError::System(_))), "{sent:?}");
    let told = if sent.is_err() { bench.pass(Duration::ZERO) } else { bench.told(1) };
    assert_eq!(told, [(bench.flow(address), TcpInput::Closed)]);
    let figures = bench.pump.figures();
    assert_eq!((figures.open, figures.connected, figures.unconnected), (0, 0, 1));
}

#[test]
fn a_connection_that_does_not_come_about_in_time_is_told() {
    let mut bench = Bench::new(TcpSettings::default());
    // Once somebody waits who accepts nobody and has room for one only, further connections are not answered.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _first = connect(address);
    bench.send(address, "x").unwrap();
    assert_eq!(bench.pump.figures().connected, 0);
    assert_eq!(bench.pump.next_deadline(), Some(NOW + Duration::from_secs(5)));
    assert_eq!(bench.pass(Duration::from_micros(4_999_999)), []);
    assert_eq!(bench.pass(Duration::from_micros(1)), [(bench.flow(address), TcpInput::Closed)]);
    assert_eq!((bench.pump.next_deadline(), bench.pump.figures().unconnected), (None, 1));
}

#[test]
fn a_peer_that_does_not_read_is_closed_at_the_bound() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut peer = bench.peer();
    let remote = peer.local_addr().unwrap();
    let chunk = Bytes::from(vec![b'x'; 60_000]);
    // More than sockets hold and the bound together.
    let refused = (0..2_000).map(|_| bench.send(remote, chunk.clone())).find_map(Result::err);
    assert!(matches!(refused, Some(SendError::SlowReader)), "{refused:?}");
    assert_eq!(bench.pump.next_deadline(), Some(Moment::default()), "there is something to tell");
    assert_eq!(bench.pass(Duration::ZERO), [(bench.flow(remote), TcpInput::Closed)]);
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest);
    assert!(rest.iter().all(|byte| *byte == b'x'));
    assert_eq!((bench.pump.figures().slow, bench.pump.figures().open), (1, 0));
}

#[test]
fn what_does_not_fit_now_is_written_as_the_peer_reads_and_in_order() {
    let mut bench = Bench::new(TcpSettings { unsent: 64 << 20, ..TcpSettings::default() });
    let mut peer = bench.peer();
    let remote = peer.local_addr().unwrap();
    for index in 0..600u32 {
        bench.send(remote, Bytes::from(index.to_be_bytes().repeat(10_000))).unwrap();
    }
    let reader = std::thread::spawn(move || {
        for index in 0..600u32 {
            assert_eq!(read(&mut peer, 40_000), index.to_be_bytes().repeat(10_000));
        }
        // Says that it has all, and stays.
        peer.write_all(message().as_bytes()).unwrap();
        peer
    });
    assert_eq!(bench.told(1), [(bench.flow(remote), heard(&message()))]);
    reader.join().unwrap();
}

#[test]
fn an_idle_connection_is_closed_and_traffic_keeps_it() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut peer = bench.peer();
    peer.write_all(message().as_bytes()).unwrap();
    bench.told(1);
    assert_eq!(bench.pass(Duration::from_secs(599)), []);
    peer.write_all(b"\r\n\r\n").unwrap();
    let flow = bench.flow(peer.local_addr().unwrap());
    assert_eq!(bench.told(1), [(flow, TcpInput::Ping)]);
    assert_eq!(bench.pass(Duration::from_secs(599)), []);
    assert_eq!(bench.pass(Duration::from_secs(1)), [(flow, TcpInput::Closed)]);
    assert_eq!(read(&mut peer, 2), b"\r\n");
    assert_closed(&mut peer);
    assert_eq!(bench.pump.figures().idle, 1);
}

#[test]
fn a_peer_has_thirty_seconds_for_its_first_message_and_ten_for_each() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut silent = bench.peer();
    let mut talking = bench.peer();
    silent.write_all(b"\r\n\r\n").unwrap();
    talking.write_all(message().as_bytes()).unwrap();
    bench.until("both were heard", |bench| bench.pump.figures().pings == 1 && bench.told.len() == 2);
    bench.told.clear();
    assert_eq!(bench.pass(Duration::from_secs(29)), []);
    let flow = bench.flow(silent.local_addr().unwrap());
    assert_eq!(bench.pass(Duration::from_secs(1)), [(flow, TcpInput::Closed)]);
    assert_eq!(read(&mut silent, 2), b"\r\n");
    assert_closed(&mut silent);

    // Each byte more is traffic, but no excuse.
    talking.write_all(b"OPTIONS sip").unwrap();
    let idle = bench.pump.next_deadline();
    bench.until("the beginning was read", |bench| bench.pump.next_deadline() != idle);
    assert_eq!(bench.pump.next_deadline(), Some(bench.now + Duration::from_secs(10)));
    assert_eq!(bench.pass(Duration::from_secs(9)), []);
    talking.write_all(b":a").unwrap();
    bench.turn();
    let flow = bench.flow(talking.local_addr().unwrap());
    assert_eq!(bench.pass(Duration::from_secs(1)), [(flow, TcpInput::Closed)]);
    assert_eq!((bench.pump.figures().slow, bench.pump.next_deadline()), (2, None));
}

#[test]
fn one_host_has_no_more_connections_than_allowed_and_gets_room_again() {
    let mut bench = Bench::new(TcpSettings { connections_per_host: 2, ..TcpSettings::default() });
    let (first, _second, mut third) = (bench.peer(), bench.peer(), bench.peer());
    assert_closed(&mut third);
    assert_eq!((bench.pump.figures().accepted, bench.pump.figures().refused), (2, 1));
    let flow = bench.flow(first.local_addr().unwrap());
    drop(first);
    assert_eq!(bench.told(1), [(flow, TcpInput::Closed)]);
    bench.peer();
    assert_eq!(bench.pump.figures().accepted, 3);
}

#[test]
fn of_all_connections_a_tenth_is_kept_for_those_that_we_open() {
    let mut bench = Bench::new(TcpSettings { connections: 10, ..TcpSettings::default() });
    let peers: Vec<TcpStream> = (0..10).map(|_| bench.peer()).collect();
    assert_eq!((bench.pump.figures().accepted, bench.pump.figures().refused), (9, 1));
    let [(_first, first), (_second, second)] = [somebody(), somebody()];
    bench.send(first, "x").unwrap();
    assert!(matches!(bench.send(second, "x"), Err(SendError::TooMany)));
    assert_eq!(bench.pass(Duration::ZERO), [(bench.flow(second), TcpInput::Closed)]);
    drop(peers);
}

#[test]
fn a_broken_stream_gets_the_answer_that_follows_and_ends() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut peer = bench.peer();
    peer.write_all(format!("\r\n\r\n{}{}", options(""), "more ".repeat(1_000)).as_bytes()).unwrap();
    let told = bench.told(2);
    let [(_, TcpInput::Ping), (flow, TcpInput::Broken(fault))] = &told[..] else { panic!("{told:?}") };
    assert_eq!((fault.why, &fault.head[..]), (Unstreamed::NoLength, options("").as_bytes()));
    bench.send(flow.remote, "SIP/2.0 400 Bad Request\r\n\r\n").unwrap();
    peer.write_all(b"even more").unwrap();
    let mut answer = String::new();
    // It ends with our half; the other one is the peer's to close.
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "\r\nSIP/2.0 400 Bad Request\r\n\r\n");
    let flow = *flow;
    drop(peer);
    assert_eq!(bench.told(1), [(flow, TcpInput::Closed)]);
    assert_eq!((bench.pump.figures().broken, bench.pump.figures().open), (1, 0));
}

#[test]
fn a_broken_stream_ends_in_a_second_though_its_peer_does_not() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut peer = bench.peer();
    peer.write_all(options("").as_bytes()).unwrap();
    let flow = bench.told(1)[0].0;
    assert_eq!(bench.pass(Duration::from_millis(999)), []);
    assert_eq!(bench.pass(Duration::from_millis(1)), [(flow, TcpInput::Closed)]);
    assert_closed(&mut peer);
}

#[test]
fn what_is_not_sip_is_closed_at_once() {
    let mut bench = Bench::new(TcpSettings::default());
    let mut peer = bench.peer();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let told = bench.told(2);
    assert!(matches!(&told[0].1, TcpInput::Broken(fault) if fault.why == Unstreamed::NotSip));
    assert_eq!(told[1].1, TcpInput::Closed);
    assert_closed(&mut peer);
}

#[test]
fn a_connection_that_ends_with_something_unsent_is_told() {
    let mut bench = Bench::new(TcpSettings { unsent: 64 << 20, ..TcpSettings::default() });
    let peer = bench.peer();
    let remote = peer.local_addr().unwrap();
    for _ in 0..300 {
        bench.send(remote, vec![b'x'; 60_000]).unwrap();
    }
    // With unread bytes this is a reset.
    drop(peer);
    assert_eq!(bench.told(1), [(bench.flow(remote), TcpInput::Closed)]);
    assert_eq!((bench.pump.figures().open, bench.pump.next_deadline()), (0, None));
}

#[test]
fn a_connection_that_peers_close_is_told_and_the_next_message_opens_another() {
    let mut bench = Bench::new(TcpSettings::default());
    let (listener, address) = somebody();
    bench.send(address, "one").unwrap();
    bench.until("it is connected", |bench| bench.pump.figures().connected == 1);
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(read(&mut peer, 3), b"one");
    drop(peer);
    assert_eq!(bench.told(1), [(bench.flow(address), TcpInput::Closed)]);
    bench.send(address, "two").unwrap();
    bench.until("it is connected", |bench| bench.pump.figures().connected == 2);
    let (mut peer, _) = listener.accept().unwrap();
    assert_eq!(read(&mut peer, 3), b"two");
}

#[test]
fn ipv6_works_the_same() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0).into(), None).unwrap();
    let mut bench = Bench { pump: listener.pump(TcpSettings::default()).unwrap(), now: NOW, told: Vec::new() };
    let mut peer = bench.peer();
    peer.write_all(message().as_bytes()).unwrap();
    let flow = bench.flow(peer.local_addr().unwrap());
    assert_eq!(bench.told(1), [(flow, heard(&message()))]);
    bench.send(flow.remote, "answer").unwrap();
    assert_eq!(read(&mut peer, 6), b"answer");
}
