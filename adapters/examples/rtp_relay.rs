//! The media threads alone, for measurements: reads one line per path with the RTP addresses of its two peers, answers
//! each with the two addresses they shall send to, and relays until its input ends. RTCP ports are one above.
//!
//! `rtp_relay [first port] [last port] [tick above so many paths] [tick in µs]`

use adapters::media::{MediaPlane, MediaSettings};
use domain::ids::{LegId, SessionId};
use domain::media::{MediaOrder, MediaReport, MediaSource, PathId, PortSource, Side};
use std::error::Error;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().map_or(Ok(20_000), |port| port.parse())?;
    let last = arguments.next().map_or(Ok(29_999), |port| port.parse())?;
    let mut settings = MediaSettings { ports: first..=last, threads: 1, ..MediaSettings::default() };
    if let Some(paths) = arguments.next() {
        settings.tick_above = paths.parse()?;
    }
    if let Some(tick_us) = arguments.next() {
        settings.tick = Duration::from_micros(tick_us.parse()?);
    }
    let (plane, mut pool) = MediaPlane::start(settings, |reports| {
        for report in reports {
            if let MediaReport::Closed { path, sides } = report {
                eprintln!("{path:?} {sides:?}");
            }
        }
    })?;
    let orders = plane.orders();
    let mut answers = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        let (one, other) = line.split_once(' ').ok_or("expected two addresses on a line")?;
        let sides = [side(&mut pool, one, number * 2)?, side(&mut pool, other, number * 2 + 1)?];
        for side in &sides {
            write!(answers, "{} ", SocketAddr::new(pool.address(), side.ports.rtp()))?;
        }
        writeln!(answers)?;
        answers.flush()?;
        let path = PathId { session: SessionId::from_bits(number as u128), stream: 0 };
        orders.order(vec![MediaOrder::Relay { path, sides: Box::new(sides) }]);
    }
    eprintln!("{:?}", plane.counters());
    plane.shutdown();
    Ok(())
}

fn side(pool: &mut impl PortSource, peer: &str, leg: usize) -> Result<Side, Box<dyn Error>> {
    let rtp: SocketAddr = peer.parse()?;
    Ok(Side {
        leg: LegId::from_bits(leg as u64),
        ports: pool.take().ok_or("no ports are left")?,
        rtp: Some(rtp),
        rtcp: Some(SocketAddr::new(rtp.ip(), rtp.port() + 1)),
        source: MediaSource::Sdp,
        latched: None,
        expects: true,
        sends: true,
        clock_rates: Vec::new(),
    })
}
