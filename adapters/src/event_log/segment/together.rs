//! Many streams read together: all of them are found in one pass through the index, and read in the order in which they lie
//! on the disk, some at a time and some ahead.

use super::places::Place;
use super::read::Readers;
use domain::log::{Part, PortFuture, ReadError, ReadTogether, StreamName, Together};
use std::collections::VecDeque;
use std::sync::Arc;
use std::vec::IntoIter;
use tokio::task::JoinHandle;

/// Streams that are read at a time: what they hold is in memory.
const AT_A_TIME: usize = 1_024;
/// Readings that go on ahead of whoever takes them.
const AHEAD: usize = 3;

/// See the module.
pub(super) struct Streams {
    readers: Arc<Readers>,
    /// Before they were looked for.
    wanted: Option<Vec<StreamName>>,
    found: IntoIter<(StreamName, Vec<Place>)>,
    reading: VecDeque<JoinHandle<Result<Together, ReadError>>>,
    part: Part,
}

impl Streams {
    pub fn new(readers: Arc<Readers>, streams: Vec<StreamName>, part: Part) -> Self {
        Self { readers, wanted: Some(streams), found: vec![].into_iter(), reading: VecDeque::new(), part }
    }

    async fn advance(&mut self) -> Result<Together, ReadError> {
        let part = self.part;
        if let Some(wanted) = self.wanted.take() {
            let find = move |reader: &mut super::read::Reader<'_>| {
                let places = reader.places(&wanted, part)?;
                Ok(wanted.into_iter().zip(places).collect::<Vec<_>>())
            };
            self.found = Arc::clone(&self.readers).run(find).await?.into_iter();
        }
        while self.reading.len() < AHEAD && !self.found.as_slice().is_empty() {
            let next: Vec<_> = self.found.by_ref().take(AT_A_TIME).collect();
            let readers = Arc::clone(&self.readers);
            self.reading.push_back(tokio::spawn(readers.run(move |reader| reader.together(next, part))));
        }
        match self.reading.pop_front() {
            Some(reading) => reading.await.unwrap_or_else(|_| Err(ReadError::Unavailable("a read failed".into()))),
            None => Ok(vec![]),
        }
    }
}

impl ReadTogether for Streams {
    fn next(&mut self) -> PortFuture<'_, Result<Together, ReadError>> {
        Box::pin(self.advance())
    }
}
