//! Rules of writing.

use super::super::given::{
    Inbox, after, append, closing, draft, first, ids, one, recorded_ids, soon, stream, submit, try_one, write,
};
use super::Home;
use domain::log::{Append, AppendError, Direction, EventLog, Expected, Filter, Position, Recorded, Revision};

async fn everything(log: &dyn EventLog) -> Vec<Recorded> {
    soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), 10_000)).await.unwrap()
}

fn wrong(append: &Append, actual: Option<u64>) -> AppendError {
    AppendError::WrongRevision {
        stream: append.stream.clone(),
        expected: append.expected,
        actual: actual.map(Revision),
    }
}

pub async fn a_new_stream_begins_at_revision_0_and_the_head_is_there(home: &mut dyn Home) {
    let log = home.open().await;
    assert_eq!(log.head(), Position(0));
    let durable = one(&*log, first("session-1", 3)).await;
    assert_eq!(durable.stream(), &stream("session-1"));
    assert_eq!(durable.last(), Revision(2));
    assert_eq!(log.head(), durable.position(), "the head has moved when the outcome arrives");
}

pub async fn positions_begin_at_1_and_have_no_gaps(home: &mut dyn Home) {
    let log = home.open().await;
    for (append, last) in [(first("session-1", 3), 3), (first("session-2", 1), 4), (after("session-1", 2, 2), 6)] {
        assert_eq!(one(&*log, append).await.position(), Position(last));
    }
    let positions: Vec<_> = everything(&*log).await.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, (1..=6).collect::<Vec<_>>());
    drop(log);
    let log = home.open().await;
    assert_eq!(log.head(), Position(6));
    assert_eq!(one(&*log, first("session-3", 1)).await.position(), Position(7));
}

pub async fn an_existing_stream_is_not_new(home: &mut dyn Home) {
    let log = home.open().await;
    let durable = one(&*log, first("session-1", 2)).await;
    let again = first("session-1", 2);
    assert_eq!(try_one(&*log, again.clone()).await, Err(wrong(&again, Some(1))));
    assert_eq!(log.head(), durable.position());
}

pub async fn a_missing_stream_has_no_revision(home: &mut dyn Home) {
    let log = home.open().await;
    let gap = after("session-1", 0, 1);
    assert_eq!(try_one(&*log, gap.clone()).await, Err(wrong(&gap, None)));
    assert_eq!(one(&*log, first("session-1", 1)).await.last(), Revision(0), "the refusal left nothing behind");
}

pub async fn only_the_exact_revision_is_accepted(home: &mut dyn Home) {
    let log = home.open().await;
    let before = one(&*log, first("session-1", 3)).await.position();
    for last in [0, 1, 3, 4, 1_000] {
        let append = after("session-1", last, 1);
        assert_eq!(try_one(&*log, append.clone()).await, Err(wrong(&append, Some(2))), "expected {last}");
    }
    let durable = one(&*log, after("session-1", 2, 2)).await;
    assert_eq!(durable.last(), Revision(4));
    assert!(durable.position() > before);
}

pub async fn a_repeat_answers_what_the_first_answered_and_writes_nothing(home: &mut dyn Home) {
    let log = home.open().await;
    write(&*log, first("session-0", 5)).await;
    for append in [first("session-1", 3), after("session-1", 2, 2), closing(after("session-1", 4, 1))] {
        let answer = one(&*log, append.clone()).await;
        let head = log.head();
        assert_eq!(one(&*log, append.clone()).await, answer);
        let both = submit(&*log, vec![append.clone(), append]).await;
        assert!(both.iter().all(|outcome| outcome.result.as_ref() == Ok(&answer)));
        assert_eq!(log.head(), head);
    }
    assert_eq!(everything(&*log).await.len(), 11);
}

pub async fn a_repeat_is_known_after_later_appends_and_after_reopening(home: &mut dyn Home) {
    let log = home.open().await;
    let appends = [first("session-1", 2), after("session-1", 1, 1), closing(after("session-1", 2, 3))];
    let mut answers = Vec::new();
    for append in &appends {
        answers.push(one(&*log, append.clone()).await);
        write(&*log, first(&format!("session-other{}", answers.len()), 1)).await;
    }
    let head = log.head();
    for (append, answer) in appends.iter().zip(&answers) {
        assert_eq!(&one(&*log, append.clone()).await, answer);
    }
    drop(log);
    let log = home.open().await;
    for (append, answer) in appends.iter().zip(&answers) {
        assert_eq!(&one(&*log, append.clone()).await, answer);
    }
    assert_eq!(log.head(), head);
}

pub async fn the_same_ids_with_other_content_are_no_repeat(home: &mut dyn Home) {
    let log = home.open().await;
    let written = first("session-1", 2);
    write(&*log, written.clone()).await;
    let mut others = vec![written.clone(); 4];
    others[0].events[1].data = "{\"n\":-1}".into();
    others[1].events.push(draft("Noted", "{}"));
    others[2].events[0].kind = "Changed".into();
    others[3].node = 8;
    for other in others {
        assert_eq!(try_one(&*log, other.clone()).await, Err(wrong(&other, Some(1))));
    }
    assert_eq!(recorded_ids(&everything(&*log).await), ids([&written]));
}

pub async fn a_part_of_an_append_is_no_repeat_of_it(home: &mut dyn Home) {
    let log = home.open().await;
    let written = first("session-1", 2);
    write(&*log, written.clone()).await;
    let part = Append { events: written.events[..1].to_vec(), ..written.clone() };
    assert_eq!(try_one(&*log, part.clone()).await, Err(wrong(&part, Some(1))));
    assert_eq!(recorded_ids(&everything(&*log).await), ids([&written]));
}

pub async fn a_repeat_belongs_to_its_own_stream(home: &mut dyn Home) {
    let log = home.open().await;
    write(&*log, first("session-1", 1)).await;
    let written = after("session-1", 0, 1);
    write(&*log, written.clone()).await;
    let elsewhere = Append { stream: stream("session-2"), ..written };
    assert_eq!(try_one(&*log, elsewhere.clone()).await, Err(wrong(&elsewhere, None)));
}

pub async fn a_batch_is_written_whole_and_without_gaps(home: &mut dyn Home) {
    let log = home.open().await;
    let mut written = Vec::new();
    for batch in 0..20 {
        let good = first(&format!("session-{batch}"), 1 + batch % 4);
        let bad = after(&format!("session-{batch}"), 90, 3);
        submit(&*log, vec![good.clone(), bad]).await;
        written.push(good);
    }
    let events = everything(&*log).await;
    assert_eq!(recorded_ids(&events), ids(&written), "all of what was accepted, nothing of what was refused");
    assert!(events.is_sorted_by(|one, next| one.position < next.position), "positions rise");
}

pub async fn a_refused_append_leaves_the_others_of_its_group_alone(home: &mut dyn Home) {
    let log = home.open().await;
    let group = vec![
        first("session-1", 1),
        after("session-none", 3, 1),
        first("session-2", 1),
        append("session-3", Expected::NoStream, &[]),
        first("session-4", 1),
    ];
    let outcomes = submit(&*log, group.clone()).await;
    let good: Vec<_> = outcomes.iter().map(|outcome| outcome.result.is_ok()).collect();
    assert_eq!(good, [true, false, true, false, true]);
    assert_eq!(recorded_ids(&everything(&*log).await), ids([&group[0], &group[2], &group[4]]));
}

pub async fn outcomes_come_in_the_order_of_submission(home: &mut dyn Home) {
    let log = home.open().await;
    let (inbox, mut outcomes) = Inbox::new();
    let mut submitted = Vec::new();
    for call in 0..50 {
        let appends: Vec<_> = (0..3).map(|index| first(&format!("session-{call}x{index}"), 1)).collect();
        submitted.extend(appends.iter().map(|append| append.stream.clone()));
        log.submit(appends, inbox.clone());
    }
    let (mut streams, mut last) = (Vec::new(), Position(0));
    while streams.len() < submitted.len() {
        for outcome in soon(outcomes.recv()).await.unwrap() {
            let durable = outcome.result.unwrap();
            assert!(durable.position() > last && durable.stream() == &outcome.stream);
            last = durable.position();
            streams.push(outcome.stream);
        }
    }
    assert_eq!(streams, submitted);
}

pub async fn appends_of_one_call_can_build_on_each_other(home: &mut dyn Home) {
    let log = home.open().await;
    let chain = vec![first("session-1", 2), after("session-1", 1, 1), after("session-1", 2, 1)];
    let outcomes = submit(&*log, chain.clone()).await;
    assert_eq!(outcomes[2].result.as_ref().unwrap().last(), Revision(3));
    let broken = vec![after("session-1", 7, 1), after("session-1", 8, 1)];
    let outcomes = submit(&*log, broken.clone()).await;
    assert_eq!(outcomes[0].result, Err(wrong(&broken[0], Some(3))));
    assert_eq!(outcomes[1].result, Err(wrong(&broken[1], Some(3))), "what builds on a refused append is refused");
}

pub async fn what_is_malformed_is_refused_and_leaves_nothing(home: &mut dyn Home) {
    let log = home.open().await;
    let long: &'static str = "LongerThanAnyTypeName".repeat(20).leak();
    let malformed = [
        first("session-1", 0),
        first("session-1", Append::MAX_EVENTS + 1),
        append("session-1", Expected::NoStream, &[long]),
        append("session-1", Expected::NoStream, &[""]),
        after("session-1", u64::MAX, 1),
        Append { stream: domain::log::StreamName::new("$session", 1), ..first("session-1", 1) },
        Append { stream: domain::log::StreamName::new("session", "x".repeat(300)), ..first("session-1", 1) },
    ];
    for append in malformed {
        let result = try_one(&*log, append.clone()).await;
        assert!(matches!(result, Err(AppendError::Invalid(_))), "{result:?}");
        assert_eq!(soon(log.read_stream(&append.stream, Revision(0), Direction::Forwards, 9)).await, Ok(vec![]));
    }
    assert_eq!(log.head(), Position(0));
    assert_eq!(one(&*log, first("session-1", 1)).await.last(), Revision(0));
}

pub async fn the_largest_batch_is_accepted(home: &mut dyn Home) {
    let log = home.open().await;
    let mut large = first("session-1", Append::MAX_EVENTS);
    for event in &mut large.events {
        event.data = format!("\"{}\"", "x".repeat(4_000)).into();
    }
    let durable = one(&*log, large.clone()).await;
    assert_eq!(durable.last(), Revision(Append::MAX_EVENTS as u64 - 1));
    let events = everything(&*log).await;
    assert!(events.iter().zip(&large.events).all(|(recorded, draft)| recorded.data == draft.data));
    assert_eq!(recorded_ids(&events), ids([&large]));
}

pub async fn positions_go_on_after_reopening(home: &mut dyn Home) {
    let log = home.open().await;
    let before = one(&*log, first("session-1", 3)).await.position();
    drop(log);
    let log = home.open().await;
    assert_eq!(log.head(), before);
    let durable = one(&*log, after("session-1", 2, 2)).await;
    assert_eq!(durable.last(), Revision(4));
    assert!(durable.position() > before);
    assert!(one(&*log, first("session-2", 1)).await.position() > durable.position());
}
