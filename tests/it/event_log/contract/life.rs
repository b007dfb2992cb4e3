//! Rules of what recovery finds.

use super::super::given::{after, closing, first, soon, submit, try_one, write};
use super::Home;
use domain::log::{EventLog, StreamName};

async fn open(log: &dyn EventLog) -> Vec<String> {
    let names = soon(log.open_streams()).await.unwrap();
    names.iter().map(StreamName::to_string).collect()
}

pub async fn open_streams_come_in_the_order_of_their_opening(home: &mut dyn Home) {
    let log = home.open().await;
    assert!(open(&*log).await.is_empty());
    for name in ["session-2", "session-1", "session-3"] {
        write(&*log, first(name, 2)).await;
    }
    write(&*log, after("session-2", 1, 1)).await;
    assert_eq!(open(&*log).await, ["session-2", "session-1", "session-3"], "a later append does not reorder");
    submit(&*log, vec![closing(first("session-4", 1)), first("session-5", 1)]).await;
    assert_eq!(open(&*log).await, ["session-2", "session-1", "session-3", "session-5"]);
}

pub async fn a_closed_stream_is_not_recovered_and_can_open_again(home: &mut dyn Home) {
    let log = home.open().await;
    for name in ["session-1", "session-2", "session-3"] {
        write(&*log, first(name, 1)).await;
    }
    write(&*log, closing(after("session-1", 0, 1))).await;
    assert_eq!(open(&*log).await, ["session-2", "session-3"]);
    write(&*log, closing(after("session-1", 1, 1))).await;
    assert_eq!(open(&*log).await, ["session-2", "session-3"], "closing twice is closing");
    write(&*log, after("session-1", 2, 1)).await;
    assert_eq!(open(&*log).await, ["session-2", "session-3", "session-1"], "reopened last");
    submit(&*log, vec![closing(after("session-2", 0, 1)), after("session-2", 1, 1)]).await;
    assert_eq!(open(&*log).await, ["session-3", "session-1", "session-2"]);
}

pub async fn a_refused_append_opens_and_closes_nothing(home: &mut dyn Home) {
    let log = home.open().await;
    let opened = first("session-1", 1);
    write(&*log, opened.clone()).await;
    try_one(&*log, closing(after("session-1", 4, 1))).await.unwrap_err();
    try_one(&*log, after("session-2", 4, 1)).await.unwrap_err();
    assert_eq!(open(&*log).await, ["session-1"]);
    write(&*log, closing(after("session-1", 0, 1))).await;
    write(&*log, opened).await;
    assert!(open(&*log).await.is_empty(), "a repeat does not open its stream again");
}

pub async fn open_streams_survive_reopening(home: &mut dyn Home) {
    let log = home.open().await;
    for name in ["session-3", "session-1", "session-2"] {
        write(&*log, first(name, 1)).await;
    }
    write(&*log, closing(after("session-1", 0, 1))).await;
    drop(log);
    let log = home.open().await;
    assert_eq!(open(&*log).await, ["session-3", "session-2"]);
    write(&*log, closing(after("session-3", 0, 1))).await;
    write(&*log, after("session-1", 1, 1)).await;
    assert_eq!(open(&*log).await, ["session-2", "session-1"]);
}
