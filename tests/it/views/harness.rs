//! A log in memory, read models in a folder of their own.

use adapters::event_log::memory::MemoryLog;
use domain::log::{EventLog, Position};
use projections::{Database, Ended, Model, SchemaPrefix, Views};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests::calls::Keys;

/// Long enough for any machine, short enough to fail.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("strowger-views-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits for the end of a rebuild: the generation that serves then, and how it ended.
pub async fn rebuilt(views: &Views, model: Model) -> (Option<u32>, Option<Ended>) {
    let end = async {
        loop {
            let stand = views.stands().await.into_iter().find(|stand| stand.model == model).unwrap();
            if let Some(ended) = stand.rebuild.and_then(|rebuild| rebuild.ended) {
                return (stand.generation, Some(ended));
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, end).await.unwrap()
}

pub struct World {
    pub log: MemoryLog,
    pub keys: Arc<Keys>,
    pub folder: Folder,
}

impl World {
    pub fn new() -> Self {
        Self { log: MemoryLog::new(), keys: Arc::default(), folder: Folder::new() }
    }

    pub fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }

    /// Read models in the folder `name`, rows as fresh as the log.
    pub async fn views(&self, name: &str) -> Views {
        let views = self.views_behind(name).await;
        views.progress().wait_for_rows(self.log.head(), PATIENCE).await.unwrap();
        views
    }

    pub fn log_head(&self) -> Position {
        self.log.head()
    }

    pub fn files(&self, name: &str) -> Database {
        Database::files(&self.folder.file(name))
    }

    /// As `views`, in files whatever the environment says.
    pub async fn views_in_files(&self, name: &str) -> Views {
        let window = Duration::from_millis(5);
        let views = Views::open_with_window(self.files(name), self.log(), self.keys.clone(), window).await.unwrap();
        views.progress().wait_for_rows(self.log.head(), PATIENCE).await.unwrap();
        views
    }

    /// PostgreSQL where the environment names one.
    pub fn database(&self, name: &str) -> Database {
        let Ok(url) = std::env::var("STROWGER_TEST_POSTGRES") else { return self.files(name) };
        let folder = self.folder.file(name).display().to_string();
        let prefix =
            format!("t{:x}", folder.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())));
        Database::postgres(&url.parse().unwrap(), &SchemaPrefix::try_from(prefix).unwrap())
    }

    /// Read models in the folder `name`, wherever they are.
    pub async fn views_behind(&self, name: &str) -> Views {
        let window = Duration::from_millis(5);
        let views = Views::open_with_window(self.database(name), self.log(), self.keys.clone(), window).await.unwrap();
        // A database elsewhere is opened in the background.
        let open = async {
            while views.stands().await.iter().any(|stand| stand.generation.is_none()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, open).await.unwrap();
        views
    }
}
