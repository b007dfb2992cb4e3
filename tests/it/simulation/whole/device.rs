//! A user's device as a registrant: it asks until it is answered, proves itself, and refreshes before it expires.

use domain::sip::wire::{HeaderName, Message};
use domain::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::world::{Device, World, password};

const T1: Duration = Duration::from_millis(500);

/// For how many seconds it registers.
const EXPIRES: u32 = 90;

/// See the module.
pub(super) struct Registrant {
    device: Device,
    /// When its last REGISTER goes again, and at what interval, until it is answered.
    repeats: Option<(Moment, Duration)>,
    /// When it registers next.
    next: Option<Moment>,
    /// How often it still will; the last time it says that it leaves.
    left: u32,
    /// How often it was registered.
    pub(super) registered: usize,
    challenges: u32,
    /// What each of its REGISTERs was proved by, if at all.
    passwords: BTreeMap<u32, String>,
}

impl Registrant {
    pub(super) fn new(user: &str, address: &str, first: Moment, times: u32) -> Self {
        let device = Device::of(user, address);
        let passwords = BTreeMap::new();
        Self { device, repeats: None, next: Some(first), left: times, registered: 0, challenges: 0, passwords }
    }

    /// Whose it is.
    pub(super) fn user(&self) -> &str {
        &self.device.user
    }

    /// What a REGISTER of this number was proved by, if at all.
    pub(super) fn password_of(&self, number: u32) -> &str {
        &self.passwords[&number]
    }

    /// It uses the first or the second of its user's passwords from now on.
    pub(super) fn learn(&mut self, second: bool) {
        self.device.password = password(&self.device.user, second);
    }

    fn note_password(&mut self) {
        self.passwords.insert(self.device.cseq, self.device.password.clone());
    }

    /// Whether this is the Call-ID of its registration.
    pub(super) fn is_for(&self, call: &str) -> bool {
        call == format!("{}-1@{}", self.device.user, self.device.address)
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.repeats.map(|(at, _)| at).into_iter().chain(self.next).min()
    }

    fn wanted(&self) -> String {
        self.device.for_seconds(if self.left == 0 { 0 } else { EXPIRES })
    }

    /// Registers, or says it again.
    pub(super) fn wake(&mut self, world: &mut World) {
        let now = world.now().moment;
        if self.next.is_some_and(|at| at <= now) {
            self.left = self.left.saturating_sub(1);
            self.challenges = 0;
            let wanted = self.wanted();
            self.device.send(world, &wanted);
            self.note_password();
            self.next = (self.left > 0).then_some(now + Duration::from_secs(u64::from(EXPIRES) / 2));
            self.repeats = Some((now + T1, T1));
        }
        if let Some((_, interval)) = self.repeats.filter(|(at, _)| *at <= now) {
            let interval = interval * 2;
            self.repeats = (interval < 64 * T1).then_some((now + interval.min(Duration::from_secs(4)), interval));
            self.device.repeat(world);
        }
    }

    /// An answer came.
    pub(super) fn hear(&mut self, world: &mut World, answer: &Message) {
        if answer.cseq().unwrap().number != self.device.cseq || self.repeats.is_none() {
            return;
        }
        self.repeats = None;
        match answer.status() {
            Some(200) => self.registered += 1,
            Some(401) if self.challenges < 3 && answer.has(HeaderName::WwwAuthenticate) => {
                self.challenges += 1;
                let wanted = self.wanted();
                if !self.device.answers(world, &wanted, answer) {
                    return;
                }
                self.note_password();
                self.repeats = Some((world.now().moment + T1, T1));
            }
            _ => {}
        }
    }
}
