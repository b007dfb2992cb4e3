//! What may go wrong around the exchange: the process dies, the log hesitates, or (to prove the checkers) the log, the
//! shell or media break their promise. A fate is set for a thread, so that ordinary scenarios run under it unchanged.

use std::cell::Cell;
use std::sync::Once;

/// A promise of the surroundings that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The log says durable before it stores, and dies before it does.
    DurableBeforeStored,
    /// The shell sends what it submits without waiting for the log.
    SentBeforeLanded,
    /// The log stores all events of an append but the last.
    DroppedEvent,
    /// Media closes paths without saying so.
    ClosedUnreported,
    /// The shell loses a timer.
    LostWake,
}

impl Sabotage {
    /// Every broken promise.
    pub const ALL: [Self; 5] =
        [Self::DurableBeforeStored, Self::SentBeforeLanded, Self::DroppedEvent, Self::ClosedUnreported, Self::LostWake];
}

/// What befalls the worlds of a thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    /// The process dies when this many effects have left.
    pub dies_after: Option<usize>,
    /// The process dies when the log, which commits one append at a time, has committed this many.
    pub dies_after_commit: Option<usize>,
    /// The log commits one append at a time and now and then is unavailable, as this seed draws.
    pub hesitates: Option<u64>,
    /// A broken promise.
    pub sabotage: Option<Sabotage>,
    /// The process dies when this many effects have left, and begins anew.
    pub reborn_after: Option<usize>,
    /// Whenever all is quiet, another exchange takes up what the log tells, and must stand where this one stands.
    pub replays: bool,
}

impl Fate {
    /// Whether nothing goes wrong.
    pub(super) const fn is_kind(&self) -> bool {
        self.dies_after.is_none()
            && self.dies_after_commit.is_none()
            && self.hesitates.is_none()
            && self.sabotage.is_none()
            && self.reborn_after.is_none()
            && !self.replays
    }
}

/// The payload of the unwinding that ends a scenario whose process died; the world was examined before.
#[derive(Debug)]
pub struct Death;

thread_local! {
    static FATE: Cell<Fate> = const { Cell::new(Fate { dies_after: None, dies_after_commit: None, hesitates: None, sabotage: None, reborn_after: None, replays: false }) };
    static COURSE: Cell<Course> = const { Cell::new(Course { effects: 0, streams: 0, summaries: 0, messages: 0, relays: 0, joins: 0, commits: 0 }) };
}

/// How much there was of what may go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Course {
    /// Effects that left.
    pub effects: usize,
    /// Streams of sessions and registrations that were begun in the log.
    pub streams: usize,
    /// Summaries of what belongs to no stream.
    pub summaries: usize,
    /// Orders to relay media.
    pub relays: usize,
    /// Messages in the log that wait to leave until they are durable.
    pub messages: usize,
    /// Appends to streams of transfers.
    pub joins: usize,
    /// Appends that were committed one at a time.
    pub commits: usize,
}

/// How a scenario ended under a fate.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It came to its end.
    Well(Course),
    /// Its process died.
    Died,
    /// A check failed, with these words.
    Failed(String),
}

/// Runs a scenario under a fate.
pub fn under(fate: Fate, scenario: impl FnOnce()) -> Ended {
    SILENCED.call_once(silence_sabotage);
    FATE.set(fate);
    COURSE.set(Course::default());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scenario));
    FATE.set(Fate::default());
    match result {
        Ok(()) => Ended::Well(COURSE.get()),
        Err(payload) if payload.is::<Death>() => Ended::Died,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            Ended::Failed(text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
        }
    }
}

static SILENCED: Once = Once::new();

/// What fails because it was sabotaged is as it should be, and not worth a backtrace.
fn silence_sabotage() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if FATE.get().sabotage.is_none() {
            hook(info);
        }
    }));
}

pub(super) fn fate() -> Fate {
    FATE.get()
}

/// Counts an effect; true when it was the last.
pub(super) fn count_effect() -> bool {
    let course = note(|course| course.effects += 1);
    FATE.get().dies_after == Some(course.effects)
}

/// Whether the process is to begin anew after the effect that was counted last.
pub(super) fn is_reborn() -> bool {
    FATE.get().reborn_after == Some(COURSE.get().effects)
}

/// Counts a commit; true when it was the last.
pub(super) fn count_commit() -> bool {
    let course = note(|course| course.commits += 1);
    FATE.get().dies_after_commit == Some(course.commits)
}

/// Writes down what happened.
pub(super) fn note(what: impl FnOnce(&mut Course)) -> Course {
    let mut course = COURSE.get();
    what(&mut course);
    COURSE.set(course);
    course
}

/// Splitmix: the one source of chance in simulations.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Draws follow from the seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next draw.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A draw below a bound.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// True this often in a hundred.
    pub const fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
