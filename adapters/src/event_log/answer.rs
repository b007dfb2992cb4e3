//! Telling submitters what became of their appends.

use super::queue::{Queue, Submission};
use domain::log::{Append, AppendError, Committed, Outcome};
use std::collections::HashMap;
use std::sync::Arc;

/// A submission, or a part of one, after its appends were tried.
pub(super) struct Tried {
    pub reply: Arc<dyn Committed>,
    pub outcomes: Vec<Outcome>,
}

/// Tells every submitter once, in the order of their first submissions.
pub(super) fn answer(group: Vec<Tried>) {
    let mut replies: Vec<Tried> = Vec::new();
    let mut known: HashMap<usize, usize> = HashMap::new();
    for tried in group {
        // Mostly there is one.
        if let Some(last) = replies.last_mut().filter(|last| Arc::ptr_eq(&last.reply, &tried.reply)) {
            last.outcomes.extend(tried.outcomes);
            continue;
        }
        // The address tells submitters apart: each is kept alive by its entry meanwhile.
        let address = Arc::as_ptr(&tried.reply).cast::<()>() as usize;
        match known.get(&address).and_then(|index| replies.get_mut(*index)) {
            Some(reply) => reply.outcomes.extend(tried.outcomes),
            None => {
                known.insert(address, replies.len());
                replies.push(tried);
            }
        }
    }
    // A submission that was begun when its group had to be written hears nothing yet.
    for reply in replies.into_iter().filter(|reply| !reply.outcomes.is_empty()) {
        reply.reply.committed(reply.outcomes);
    }
}

/// A submission of which nothing was written.
pub(super) fn refused(submission: Submission, error: &AppendError) -> Tried {
    let outcome = |append: Append| Outcome { stream: append.stream, result: Err(error.clone()) };
    Tried { reply: submission.reply, outcomes: submission.appends.into_iter().map(outcome).collect() }
}

/// Hands a submission to the log thread; where there is none, or it has no room, the outcomes come at once.
pub(super) fn submit(queue: Option<&Queue>, submission: Submission) {
    let (submission, error) = match queue {
        None => (submission, AppendError::Invalid("the log was opened for reading".into())),
        Some(queue) => match queue.push(submission) {
            Ok(()) => return,
            Err(submission) => (submission, AppendError::Unavailable("too much waits to be written".into())),
        },
    };
    answer(vec![refused(submission, &error)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::log::StreamName;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Told(Mutex<Vec<usize>>);

    impl Committed for Told {
        fn committed(&self, outcomes: Vec<Outcome>) {
            self.0.lock().unwrap().push(outcomes.len());
        }
    }

    #[test]
    fn a_submission_of_which_nothing_was_tried_yet_hears_nothing() {
        let told: [Arc<Told>; 2] = Default::default();
        let tried = |reply: &Arc<Told>, count: usize| {
            let stream = StreamName::new("session", 1);
            let outcome = |_| Outcome { stream: stream.clone(), result: Err(AppendError::Unknown(stream.clone())) };
            Tried { reply: Arc::clone(reply) as Arc<dyn Committed>, outcomes: (0..count).map(outcome).collect() }
        };
        answer(vec![tried(&told[0], 1), tried(&told[1], 0)]);
        answer(vec![tried(&told[1], 2)]);
        assert_eq!(told.map(|told| told.0.lock().unwrap().clone()), [vec![1], vec![2]]);
    }
}
