//! The read models of the exchange: they follow its log while the town lives, in pieces, and die with its process. At any
//! moment, and in the end, they must tell what new ones tell that read the whole log at once.

use crate::views::{Folder, PATIENCE, everything, rebuilt};
use adapters::event_log::memory::MemoryLog;
use domain::log::EventLog;
use domain::ports::Keyring;
use projections::{Database, Ended, Model, Views};
use std::sync::Arc;
use std::time::Duration;
use tests::world::{ACCOUNT, Chance, World};
use tokio::runtime::{Builder, Runtime};

/// They do something once in so many steps of the town, about.
const RESTS: u64 = 300;
/// Gathers hardly anything by itself: how much is taken in at once is drawn.
const WINDOW: Duration = Duration::from_millis(1);
/// Where they are.
const FOLLOWING: &str = "following";

/// See the module.
pub(super) struct Readers {
    /// Nothing of theirs runs but within a call here.
    runtime: Runtime,
    folder: Folder,
    log: MemoryLog,
    keys: Arc<dyn Keyring>,
    /// What they read: the log, or what a sabotage makes of it.
    followed: Arc<dyn EventLog>,
    views: Option<Views>,
    /// Of its own: the town draws what it drew without readers.
    chance: Chance,
    /// So many steps pass before they do something.
    rests: u64,
    /// Others that were opened.
    others: u32,
    /// What is to happen to rows while nobody has them open.
    changed: Option<(Model, &'static str)>,
}

impl Readers {
    pub(super) fn new(seed: u64, world: &World) -> Self {
        let mut chance = Chance::new(seed ^ 0x7265_6164);
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            folder: Folder::new(),
            log: MemoryLog::clone(&world.log),
            keys: world.keys(),
            followed: Arc::new(MemoryLog::clone(&world.log)),
            views: None,
            rests: chance.below(RESTS),
            chance,
            others: 0,
            changed: None,
        }
    }

    /// They follow this instead: for sabotage.
    pub(super) fn following(mut self, followed: Arc<dyn EventLog>) -> Self {
        self.followed = followed;
        self
    }

    /// This happens to rows of one of them while nobody has it open: for sabotage.
    pub(super) fn changed_by(mut self, model: Model, statement: &'static str) -> Self {
        self.changed = Some((model, statement));
        self
    }

    /// The town has taken a step, and the process lives.
    pub(super) fn step(&mut self, ladder: &str) {
        self.rests = match self.rests.checked_sub(1) {
            Some(fewer) => return self.rests = fewer,
            None => 1 + self.chance.below(2 * RESTS),
        };
        let model = Model::ALL[self.chance.below(5) as usize];
        match self.chance.below(20) {
            0..=1 => self.die(),
            2 => self.compare(ladder),
            3 => self.rebuild(model),
            // Taken in, and not written: the next death loses it.
            4..=9 => self.follow(false),
            _ => self.follow(true),
        }
    }

    /// The process dies, and they with it. What they took in and did not write is lost.
    pub(super) fn die(&mut self) {
        if let Some(views) = self.views.take() {
            self.runtime.block_on(views.close());
        }
    }

    /// It is over: they tell what new ones do, and so does each after it was built anew.
    pub(super) fn end(&mut self, ladder: &str) {
        if self.changed.is_some() {
            self.follow(true);
            self.die();
        }
        self.compare(ladder);
        if self.chance.percent(25) {
            Model::ALL.into_iter().for_each(|model| self.rebuild(model));
            self.compare(ladder);
        }
    }

    fn open(&self, name: &str, log: Arc<dyn EventLog>) -> Views {
        let database = Database::files(&self.folder.file(name));
        self.runtime.block_on(Views::open_with_window(database, log, Arc::clone(&self.keys), WINDOW)).unwrap()
    }

    /// They take in what the log has; opened where they are not.
    fn follow(&mut self, written: bool) {
        if self.views.is_none() {
            self.tamper();
            self.views = Some(self.open(FOLLOWING, Arc::clone(&self.followed)));
        }
        let (progress, head) = (self.views.as_ref().unwrap().progress(), self.log.head());
        self.runtime.block_on(async {
            match written {
                true => progress.wait_for_rows(head, PATIENCE).await.unwrap(),
                false => progress.wait_for(head, PATIENCE).await.unwrap(),
            }
        });
    }

    /// One of them is built anew, beside the others.
    fn rebuild(&mut self, model: Model) {
        self.follow(false);
        let views = self.views.as_ref().unwrap();
        self.runtime.block_on(async {
            views.rebuild(model).await.unwrap();
            assert_eq!(rebuilt(views, model).await.1, Some(Ended::Serves), "{model}");
        });
    }

    /// They tell what others tell that have read everything at once.
    fn compare(&mut self, ladder: &str) {
        self.follow(true);
        self.others += 1;
        let others = self.open(&format!("others-{}", self.others), Arc::new(self.log.clone()));
        let (these, head) = (self.views.as_ref().unwrap(), self.log.head());
        let [live, anew] = self.runtime.block_on(async {
            others.progress().wait_for_rows(head, PATIENCE).await.unwrap();
            let told = [everything(these, ACCOUNT).await, everything(&others, ACCOUNT).await];
            others.close().await;
            told
        });
        let unlike = live.lines().zip(anew.lines()).find(|(one, other)| one != other);
        assert!(live == anew, "read models that followed the log tell something else: {unlike:#?}\n{ladder}");
    }

    fn tamper(&mut self) {
        let Some((model, statement)) = self.changed else { return };
        let views = self.folder.file(FOLLOWING).join("views");
        let file = (1..10).map(|generation| views.join(format!("{model}-{generation}.db"))).find(|file| file.exists());
        let changed = file.map(|file| rusqlite::Connection::open(file).unwrap().execute(statement, ()).unwrap());
        if changed.is_some_and(|rows| rows > 0) {
            self.changed = None;
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.die();
    }
}
