//! A log in memory, read models in a folder of their own.

use adapters::event_log::memory::MemoryLog;
use domain::log::EventLog;
use projections::Views;
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

    /// Read models in the file `name`, as fresh as the log.
    pub async fn views(&self, name: &str) -> Views {
        let views = self.views_behind(name).await;
        views.progress().wait_for(self.log.head(), PATIENCE).await.unwrap();
        views
    }

    /// Read models in the file `name`, wherever they are.
    pub async fn views_behind(&self, name: &str) -> Views {
        let window = Duration::from_millis(5);
        Views::open_with_window(&self.folder.file(name), self.log(), self.keys.clone(), window).await.unwrap()
    }
}
