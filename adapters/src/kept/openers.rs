//! What is sealed is opened by all processors, some pages at a time.

use domain::log::{ReadError, StreamName};
use tokio::task::{JoinError, JoinSet};

/// Pages that are opened at a time.
const AT_ONCE: usize = 4;

/// Tasks that open pages of streams, and give back those of which they could make nothing.
#[derive(Default)]
pub struct Openers {
    tasks: JoinSet<Vec<StreamName>>,
    given_back: Vec<StreamName>,
}

impl Openers {
    /// Has a page opened; waits where enough are.
    ///
    /// # Errors
    /// A page before it could not be opened to its end.
    pub async fn open(&mut self, page: impl FnOnce() -> Vec<StreamName> + Send + 'static) -> Result<(), ReadError> {
        self.tasks.spawn(async move { page() });
        match self.tasks.len() > AT_ONCE {
            true => self.wait().await.map(drop),
            false => Ok(()),
        }
    }

    /// Waits for the next one; false where there is none.
    async fn wait(&mut self) -> Result<bool, ReadError> {
        let Some(opened) = self.tasks.join_next().await else { return Ok(false) };
        self.given_back.extend(opened.map_err(broken_off)?);
        Ok(true)
    }

    /// All that was given back.
    ///
    /// # Errors
    /// A page could not be opened to its end.
    pub async fn finish(mut self) -> Result<Vec<StreamName>, ReadError> {
        while self.wait().await? {}
        Ok(self.given_back)
    }
}

fn broken_off(_: JoinError) -> ReadError {
    ReadError::Unavailable("opening what was read was broken off".into())
}
