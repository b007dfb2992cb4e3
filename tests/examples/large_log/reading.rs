//! How fast the log of a folder is followed: raw, and with every session decoded and folded.

use adapters::event_log::reading::open_for_reading;
use adapters::keyring::{KeyringReader, Master};
use domain::codec::DecodeError;
use domain::codec::session::{decode, decode_clear};
use domain::ids::SessionId;
use domain::log::{EventLog, Filter, Followed, Position, Recorded};
use domain::session::Session;
use domain::session::event::SessionEvent;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// Follows the whole log three times, and prints what that took.
pub fn read(folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = runtime.block_on(async { open_for_reading(folder) }).unwrap();
    let master = Master::File(folder.join("keyring.key"));
    let keyring = KeyringReader::open(&folder.join("keyring.db"), &master).unwrap();
    let sessions = || Filter { categories: vec!["session".into()], kinds: vec![] };
    runtime.block_on(async {
        measure("raw", &*log, Filter::default(), |_| {}).await;
        let mut fold = Fold::default();
        measure("sessions folded, what is sealed left alone", &*log, sessions(), |event| {
            fold.take(event, decode_clear)
        })
        .await;
        let mut fold = Fold::default();
        measure("sessions folded, all opened", &*log, sessions(), |event| {
            fold.take(event, |event| decode(event, &keyring))
        })
        .await;
    });
}

/// Sessions that have not ended yet.
#[derive(Default)]
struct Fold(HashMap<SessionId, Session>);

impl Fold {
    fn take(&mut self, recorded: &Recorded, decode: impl Fn(&Recorded) -> Result<SessionEvent, DecodeError>) {
        let id = SessionId::from_bits(recorded.correlation.as_u128());
        let event = decode(recorded).unwrap();
        let session = self.0.entry(id).or_insert_with(|| Session::new(id));
        session.evolve(&event);
        if session.ended {
            self.0.remove(&id);
        }
    }
}

async fn measure(what: &str, log: &dyn EventLog, filter: Filter, mut take: impl FnMut(&Recorded)) {
    let (began, head, mut count) = (Instant::now(), log.head(), 0_u64);
    let mut follow = log.follow(Position(0), filter);
    loop {
        match follow.next().await.unwrap() {
            Followed::Events(events) => {
                events.iter().for_each(&mut take);
                count += events.len() as u64;
                if events.last().is_some_and(|event| event.position >= head) {
                    break;
                }
            }
            Followed::Checkpoint(position) | Followed::CaughtUp(position) if position >= head => break,
            Followed::Checkpoint(_) | Followed::CaughtUp(_) => {}
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {count} events in {seconds:.2} s, {:.0} a second", count as f64 / seconds);
}
