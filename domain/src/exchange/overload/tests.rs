//! Given a machine of some speed, when it is offered so much, then it does as much as it can and nothing waits for long.

use super::*;

const TARGET: Duration = Duration::from_millis(120);

fn at(millis: u64) -> Moment {
    Moment::from_micros(millis * 1_000)
}

fn waits(millis: u64) -> Waits {
    Waits { sockets: Duration::from_millis(millis), log: Duration::ZERO }
}

/// Evenly spread lots.
fn lots() -> impl Iterator<Item = u64> {
    (1..=1_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Of a thousand so many are refused.
fn refused(overload: &mut Overload, work: NewWork) -> usize {
    lots().filter(|lot| overload.refuses(work, *lot)).count()
}

/// Turns of 20 ms from one moment to another, with the wait that there is at each.
fn turns(overload: &mut Overload, from: u64, to: u64, wait: impl Fn(u64) -> u64) {
    for now in (from..to).step_by(20) {
        overload.waited(at(now), waits(wait(now)));
    }
}

/// A machine with one queue. A call is one part of work when it begins and two later; a refusal takes a thirtieth of all.
struct Machine {
    overload: Overload,
    now: f64,
    behind: f64,
    later: std::collections::VecDeque<(f64, f64)>,
    done: f64,
    longest: f64,
}

impl Machine {
    fn new() -> Self {
        let (later, overload) = (std::collections::VecDeque::new(), Overload::new(Some(TARGET)));
        Self { overload, now: 0.0, behind: 0.0, later, done: 0.0, longest: 0.0 }
    }

    /// Offered so many times what it can do, for so many seconds; the share of what it can do that it did.
    fn offered(&mut self, load: f64, seconds: f64) -> f64 {
        (self.done, self.longest) = (0.0, 0.0);
        let end = self.now + seconds;
        while self.now < end {
            self.overload.waits(Waits { sockets: Duration::from_secs_f64(self.behind), log: Duration::ZERO });
            let refused = if self.overload.is_on() { refused(&mut self.overload, NewWork::Call) } else { 0 };
            let taken = f64::from(1_000 - u32::try_from(refused).unwrap()) / 1_000.0;
            let came = load * 0.02;
            let work = came * (taken / 3.0 + (1.0 - taken) / 30.0);
            self.later.push_back((self.now + 0.05, came * taken / 3.0));
            self.later.push_back((self.now + 0.40, came * taken / 3.0));
            let due = self.later.iter().filter(|(at, _)| *at <= self.now).map(|(_, work)| work).sum::<f64>();
            self.later.retain(|(at, _)| *at > self.now);
            self.behind = (self.behind + work + due - 0.02).max(0.0);
            self.done += came * taken;
            self.longest = self.longest.max(self.behind);
            self.now += 0.02;
            let wait = Duration::from_secs_f64(self.behind);
            self.overload
                .waited(Moment::default() + Duration::from_secs_f64(self.now), Waits { sockets: wait, log: wait });
        }
        self.done / seconds
    }
}

#[test]
fn three_times_the_load_is_refused_down_to_what_can_be_done() {
    let mut machine = Machine::new();
    machine.offered(0.8, 5.0);
    assert!(!machine.overload.is_on() && machine.overload.stands().refused == 0);
    machine.offered(3.0, 5.0);
    assert!(machine.longest < 0.4, "before callers repeat themselves: {}", machine.longest);
    let done = machine.offered(3.0, 20.0);
    assert!(done > 0.9 && machine.longest < 0.25, "{done} {}", machine.longest);
    assert!(machine.overload.stands().since.is_some());
    machine.offered(0.8, 6.0);
    assert_eq!((machine.overload.is_on(), machine.overload.stands().refused_of_thousand), (false, 0));
    assert!((machine.offered(0.8, 5.0) - 0.8).abs() < 0.01);
}

#[test]
fn a_little_too_much_costs_a_little() {
    let mut machine = Machine::new();
    machine.offered(1.2, 10.0);
    let done = machine.offered(1.2, 20.0);
    assert!(done > 0.93 && machine.longest < 0.25, "{done} {}", machine.longest);
}

#[test]
fn a_burst_that_is_worked_off_at_once_is_none() {
    let mut overload = Overload::new(Some(TARGET));
    turns(&mut overload, 0, 5_000, |now| if now % 500 < 40 { 400 } else { 10 });
    assert!(!overload.is_on());
    assert_eq!(refused(&mut overload, NewWork::Call), 0);
}

#[test]
fn one_turn_proves_nothing() {
    let mut overload = Overload::new(Some(TARGET));
    overload.waited(at(0), waits(3_600_000));
    overload.waited(at(10_000), waits(0));
    overload.waited(at(20_000), waits(3_600_000));
    assert!(!overload.is_on());
}

#[test]
fn a_slow_disk_is_no_overload_and_one_that_hangs_is() {
    let log = |millis| Waits { sockets: Duration::ZERO, log: Duration::from_millis(millis) };
    let mut overload = Overload::new(Some(TARGET));
    (0..100).for_each(|turn| overload.waited(at(turn * 20), log(350)));
    assert!(!overload.is_on());
    (100..200).for_each(|turn| overload.waited(at(turn * 20), log((turn - 100) * 20)));
    assert!(overload.is_on() && refused(&mut overload, NewWork::Call) > 900);
}

#[test]
fn registers_and_messages_are_refused_only_where_all_calls_are_not_enough() {
    let mut overload = Overload::new(Some(TARGET));
    turns(&mut overload, 0, 600, |now| now);
    assert_eq!((refused(&mut overload, NewWork::Call), refused(&mut overload, NewWork::Other)), (1_000, 0));
    turns(&mut overload, 600, 4_000, |now| now);
    assert_eq!((refused(&mut overload, NewWork::Call), refused(&mut overload, NewWork::Other)), (1_000, 1_000));
    turns(&mut overload, 4_000, 6_500, |_| 0);
    assert_eq!(refused(&mut overload, NewWork::Other), 0);
}

#[test]
fn where_nothing_waits_all_is_taken_whatever_was_before() {
    let mut overload = Overload::new(Some(TARGET));
    turns(&mut overload, 0, 700, |now| now);
    overload.waits(waits(0));
    assert!(overload.is_on() && refused(&mut overload, NewWork::Call) < 300);
    overload.waits(waits(240));
    assert!(refused(&mut overload, NewWork::Call) > 700);
}

#[test]
fn it_ends_by_itself_when_nothing_comes_any_more() {
    let mut overload = Overload::new(Some(TARGET));
    assert_eq!(overload.next(), None);
    turns(&mut overload, 0, 2_000, |now| now);
    let mut looks = 0;
    while let Some(next) = overload.next() {
        overload.waited(next, Waits::default());
        looks += 1;
    }
    assert!((20..200).contains(&looks), "{looks}");
    assert_eq!(overload.stands().since, None);
}

#[test]
fn a_copy_of_what_was_refused_is_refused() {
    let mut overload = Overload::new(Some(TARGET));
    turns(&mut overload, 0, 400, |now| now);
    overload.waits(waits(130));
    let first: Vec<bool> = lots().map(|lot| overload.refuses(NewWork::Call, lot)).collect();
    let again: Vec<bool> = lots().map(|lot| overload.refuses(NewWork::Call, lot)).collect();
    assert!(first == again && first.contains(&true) && first.contains(&false));
}

#[test]
fn without_a_target_nothing_is_refused() {
    let mut overload = Overload::new(None);
    turns(&mut overload, 0, 4_000, |now| now);
    assert_eq!((overload.is_on(), refused(&mut overload, NewWork::Call)), (false, 0));
}
