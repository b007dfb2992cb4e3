//! A source and sink of RTP, for measurements: `rtp_load <streams> <seconds>`.
//!
//! Makes a pair of phones for every two streams and prints their addresses, a line a pair: `caller callee`. Then reads
//! as many lines with the addresses that these shall send to. Then every phone sends 50 G.711 packets of 172 bytes a
//! second, evenly paced in steps of 250 µs, while a second thread receives every 1 ms. At the end it prints one line of
//! JSON: packets sent, refused by the kernel, received, lost, reordered, and how late the pacing was at worst.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::error::Error;
use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_micros(250);
const STEPS_A_PACKET: usize = 80;
/// After the last packet is sent, this long for those under way: a relay without its share of the CPU delivers late,
/// and late is not lost.
const AFTERMATH: Duration = Duration::from_secs(10);
/// Nothing for this long then means that nothing is under way.
const QUIET: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Sent {
    packets: u64,
    refused: u64,
    latest: Duration,
}

#[derive(Default)]
struct Received {
    packets: u64,
    reordered: u64,
    strange: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let streams: usize = arguments.next().ok_or("usage: rtp_load <streams> <seconds>")?.parse()?;
    let seconds: u64 = arguments.next().ok_or("usage: rtp_load <streams> <seconds>")?.parse()?;
    let phones = Arc::new(phones(streams)?);
    for pair in phones.chunks(2) {
        println!("{} {}", pair[0].local_addr()?, pair[1].local_addr()?);
    }
    let mut targets: Vec<SocketAddr> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        for address in line?.split_whitespace() {
            targets.push(address.parse()?);
        }
        if targets.len() >= phones.len() {
            break;
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let sink = {
        let (phones, over) = (phones.clone(), over.clone());
        std::thread::spawn(move || receive(&phones, &over))
    };
    let sent = send(&phones, &targets, Duration::from_secs(seconds))?;
    over.store(true, Ordering::Relaxed);
    let received = sink.join().map_err(|_| "the receiving thread died")??;
    println!(
        r#"{{"sent":{},"refused":{},"received":{},"lost":{},"reordered":{},"strange":{},"late_us":{}}}"#,
        sent.packets,
        sent.refused,
        received.packets,
        sent.packets.saturating_sub(received.packets),
        received.reordered,
        received.strange,
        sent.latest.as_micros(),
    );
    Ok(())
}

/// A socket a stream, on ports that leave room for RTCP above each.
fn phones(streams: usize) -> Result<Vec<UdpSocket>, Box<dyn Error>> {
    let wanted = streams.next_multiple_of(2);
    let free = (10_000..20_000).step_by(2).filter_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
    let phones: Vec<_> = free.take(wanted).collect();
    if phones.len() < wanted {
        return Err("too few free ports below 20000; raise the limit of open files, or ask for fewer streams".into());
    }
    for phone in &phones {
        phone.set_nonblocking(true)?;
    }
    Ok(phones)
}

fn send(phones: &[UdpSocket], targets: &[SocketAddr], lasting: Duration) -> Result<Sent, Box<dyn Error>> {
    if targets.len() < phones.len() {
        return Err("fewer addresses to send to than phones".into());
    }
    let mut sent = Sent::default();
    let steps = usize::try_from(lasting.as_micros() / STEP.as_micros())?;
    let began = Instant::now();
    for step in 0..steps {
        let due = STEP * u32::try_from(step)?;
        match due.checked_sub(began.elapsed()) {
            Some(early) => std::thread::sleep(early),
            None => sent.latest = sent.latest.max(began.elapsed() - due),
        }
        let sequence = step / STEPS_A_PACKET;
        for index in (step % STEPS_A_PACKET..phones.len()).step_by(STEPS_A_PACKET) {
            match phones[index].send_to(&packet(index, sequence), targets[index]) {
                Ok(_) => sent.packets += 1,
                Err(_) => sent.refused += 1,
            }
        }
    }
    Ok(sent)
}

fn packet(stream: usize, sequence: usize) -> [u8; 172] {
    let mut packet = [0xd5; 172];
    packet[0] = 0x80;
    packet[1] = 8;
    packet[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(sequence as u32 * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&(0x5700_0000 + stream as u32).to_be_bytes());
    packet
}

/// Every phone receives what its partner sent.
fn receive(phones: &[UdpSocket], over: &AtomicBool) -> Result<Received, nix::errno::Errno> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (phone, token) in phones.iter().zip(0..) {
        epoll.add(phone, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
    }
    let mut events = [EpollEvent::empty(); 1024];
    let mut next = vec![0_u16; phones.len()];
    let mut received = Received::default();
    let mut buffer = [0; 2048];
    let mut last_packet = Instant::now();
    let mut ended = None;
    while last_packet.elapsed() < QUIET || ended.is_none() {
        if ended.is_none() && over.load(Ordering::Relaxed) {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|at| at.elapsed() > AFTERMATH) {
            break;
        }
        let ready = epoll.wait(&mut events, EpollTimeout::ZERO)?;
        if ready > 0 {
            last_packet = Instant::now();
        }
        for index in events.iter().take(ready).map(|event| event.data() as usize) {
            let Ok((length, _)) = phones[index].recv_from(&mut buffer) else { continue };
            let Some(header) = buffer[..length].first_chunk::<12>().filter(|_| length == 172) else {
                received.strange += 1;
                continue;
            };
            received.packets += 1;
            let sequence = u16::from_be_bytes([header[2], header[3]]);
            if sequence < next[index] {
                received.reordered += 1;
            }
            next[index] = sequence.wrapping_add(1);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(received)
}
