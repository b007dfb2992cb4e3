//! The folder: what is provisioned first, then calls and REGISTERs in the order of their times.

use super::users::{Office, User};
use super::{Wanted, provision};
use adapters::event_log::segment::{SegmentLog, Settings};
use adapters::exchange::machine_time;
use adapters::keyring::{Keyring, Master};
use adapters::node::{EventIds, Node};
use domain::codec::seal::{KeyRef, SealKey};
use domain::exchange::addresses_key;
use domain::ids::{AccountId, SessionId};
use domain::log::{Append, Committed, EventLog, Outcome};
use domain::time::WallTime;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tests::calls::{CallScript, sealed};

/// 2026-01-02T03:04:05Z, when scripts begin.
const SCRIPTS_BEGIN: i64 = 1_767_323_045_000_000;
/// The newest call is so old, microseconds: nobody may still ask about it at the start.
const OVER: i64 = 120_000_000;
/// Calls a second.
const RATE: i64 = 100;
/// REGISTERs are spread over so many microseconds at least.
const SHORTEST: i64 = 600_000_000;
/// Appends of a commit.
const COMMIT: usize = 64;
/// Keys that are made at a time.
const KEYS: usize = 1_024;
/// Calls of four, which have so many events together: three with 26, one with a hold and a resume.
const FOUR_CALLS: u64 = 3 * 26 + 46;
/// The time is cut into so many parts; within each, appends are put in the order of their times.
const PARTS: u64 = 1_000;

/// Makes the folder.
pub fn make(folder: &Path, wanted: &Wanted) {
    let began = Instant::now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let log: Arc<dyn EventLog> = Arc::new(SegmentLog::open(folder.join("log"), Settings::default()).unwrap());
    let node = Node::start(&folder.join("node"), 1, true).unwrap();
    let master = Master::File(folder.join("keyring.key"));
    let keyring = Arc::new(Keyring::open(&folder.join("keyring.db"), &master).unwrap());
    let (account, domain) = runtime.block_on(provision::provision(&log, &keyring, node, wanted));
    println!("provisioned after {:.1} s, {} events", began.elapsed().as_secs_f64(), log.head());
    let office = Office::new(account, domain, addresses_key(&keyring.derived("exchange")), wanted);
    let (sender, batches) = mpsc::sync_channel(64);
    std::thread::scope(|scope| {
        let story = Story::new(&keyring, node, &office, wanted);
        // The sender goes with it: batches end when the story does.
        scope.spawn(move || story.tell(&sender));
        // Each commit waits for the one before, as in a shard: frames are as small as there.
        for appends in batches {
            commit(&*log, appends);
        }
    });
    println!("{} events after {:.1} s", log.head(), began.elapsed().as_secs_f64());
}

struct Answers(mpsc::Sender<Vec<Outcome>>);

impl Committed for Answers {
    fn committed(&self, outcomes: Vec<Outcome>) {
        let _ = self.0.send(outcomes);
    }
}

fn commit(log: &dyn EventLog, appends: Vec<Append>) {
    let (sender, outcomes) = mpsc::channel();
    log.submit(appends, Arc::new(Answers(sender)));
    outcomes.iter().flatten().for_each(|outcome| drop(outcome.result.unwrap()));
}

/// Everything that happens, part by part.
struct Story<'s> {
    keyring: &'s Keyring,
    ids: EventIds,
    office: &'s Office,
    wanted: &'s Wanted,
    users: Vec<User>,
    begins: i64,
    lasts: i64,
    keys: usize,
}

impl<'s> Story<'s> {
    fn new(keyring: &'s Keyring, node: Node, office: &'s Office, wanted: &'s Wanted) -> Self {
        let calls = (wanted.events * 4 / FOUR_CALLS) as i64;
        let lasts = SHORTEST.max(calls * 1_000_000 / RATE);
        let begins = machine_time().micros() - OVER - lasts;
        Self { keyring, ids: EventIds::new(node, 0), office, wanted, users: vec![], begins, lasts, keys: 0 }
    }

    fn key(&mut self) -> (KeyRef, SealKey) {
        let account: AccountId = self.office.account;
        if self.keys == 0 {
            self.keyring.expect_calls(&[(account, KEYS)].into()).unwrap();
            self.keys = KEYS;
        }
        self.keys -= 1;
        self.keyring.take(account).unwrap()
    }

    fn tell(mut self, to: &mpsc::SyncSender<Vec<Append>>) {
        let calls = self.wanted.events * 4 / FOUR_CALLS;
        let registers = u64::from(self.wanted.users) * (1 + u64::from(self.wanted.refreshes));
        let share = |all: u64, part: u64| all * part / PARTS..all * (part + 1) / PARTS;
        for part in 0..PARTS {
            let mut appends: Vec<(i64, Append)> = vec![];
            for call in share(calls, part) {
                appends.extend(self.call(call, calls));
            }
            for register in share(registers, part) {
                appends.extend(self.register(register, registers));
            }
            appends.sort_by_key(|(at, _)| *at);
            let mut appends = appends.into_iter().map(|(_, append)| append).peekable();
            while appends.peek().is_some() {
                to.send(appends.by_ref().take(COMMIT).collect()).unwrap();
            }
        }
    }

    fn call(&mut self, call: u64, of: u64) -> Vec<(i64, Append)> {
        let key = self.key();
        let at = self.begins + (self.lasts as i128 * i128::from(call) / i128::from(of.max(1))) as i64;
        let session = SessionId::from_bits(0x1a << 100 | u128::from(call));
        let script =
            CallScript::new(call as u16).of(self.office.account).known_as(session).beginning(at - SCRIPTS_BEGIN);
        let script = if call % 4 == 3 { script.completed_with_a_hold() } else { script.completed() };
        sealed(&script, (key.0, &key.1), std::iter::repeat_with(|| self.ids.next()))
    }

    /// Users register one after the other, and refresh in another order each time. Not all of them have refreshed as often.
    fn register(&mut self, register: u64, of: u64) -> Option<(i64, Append)> {
        let (users, at) = (
            u64::from(self.wanted.users),
            self.begins + (self.lasts as i128 * i128::from(register) / i128::from(of)) as i64,
        );
        let (turn, place) = (register / users, register % users);
        if turn == 0 {
            let key = self.key();
            self.users.push(User::new(place as u32, key));
        }
        // A prime that divides no usual number of users: every one has its turn.
        let number = (place * 7_919 + turn * 104_729) % users;
        let number = if turn == 0 { place } else { number };
        let goes = turn == 0 || turn <= number * 2_654_435_761 % (1 + u64::from(self.wanted.refreshes));
        let user = self.users.get_mut(number as usize).filter(|_| goes)?;
        Some((at, user.registers(self.office, WallTime::from_micros(at), || self.ids.next())))
    }
}
