//! `sessions`: rows and their queries.

use super::harness::{PATIENCE, World};
use domain::log::EventLog;
use projections::Views;
use projections::sessions::{ListQuery, Page, SessionRow, State};
use tests::calls::{
    ACCOUNT, CallScript, NUMBER, PBX, STRANGER, basic, failover, record, record_together, referred, refused,
};

fn query() -> ListQuery {
    ListQuery { accounts: vec![ACCOUNT], limit: 50, ..ListQuery::default() }
}

async fn ask(views: &Views, query: &ListQuery) -> Page {
    views.sessions().list(query).await.unwrap()
}

async fn row_of(views: &Views, script: &CallScript) -> SessionRow {
    views.sessions().find(script.session).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_ended_call_is_one_row_with_all_that_happened() {
    let world = World::new();
    let script = basic(1);
    record(&world.log, &script);
    let row = row_of(&world.views("a").await, &script).await;
    assert_eq!(row.account, ACCOUNT);
    assert_eq!((row.caller.as_deref(), row.called.as_deref()), (Some("+49301"), Some("+15550100")));
    assert_eq!(row.call_id.as_deref(), Some("1-0@pbx.example"));
    assert_eq!((row.trunk, row.number, row.rule.as_deref()), (Some(PBX), Some(NUMBER), Some("carrier-by-prefix")));
    assert_eq!((row.state, row.end_cause.as_deref(), row.final_status), (State::Ended, Some("completed"), Some(200)));
    assert_eq!(row.mode.as_deref(), Some("trunking"));
    assert_eq!(row.talked().unwrap().as_millis(), 10_012);
    assert_eq!(row.lasted().unwrap().as_millis(), 11_512);
    assert_eq!((row.offered.0, row.position), (2, world.log.head()));
}

#[tokio::test]
async fn a_live_call_moves_from_offered_over_ringing_to_answered() {
    let world = World::new();
    let whole = basic(1);
    for (events, state) in [(2, State::Offered), (9, State::Ringing), (14, State::Answered)] {
        let world = World::new();
        record(&world.log, &whole.clone().cut(events));
        let row = row_of(&world.views("a").await, &whole).await;
        assert_eq!(row.state, state, "after {events} events");
        assert_eq!(row.lasted(), None);
    }
    record(&world.log, &whole);
    assert_eq!(row_of(&world.views("a").await, &whole).await.state, State::Ended);
}

#[tokio::test]
async fn a_call_that_a_refer_asked_for_is_answered_once_its_target_is_there() {
    let whole = referred(4);
    for (events, state) in [(12, State::Offered), (whole.len() - 6, State::Answered)] {
        let world = World::new();
        record(&world.log, &whole.clone().cut(events));
        assert_eq!(row_of(&world.views("a").await, &whole).await.state, state, "after {events} events");
    }
    let world = World::new();
    record(&world.log, &whole);
    let row = row_of(&world.views("a").await, &whole).await;
    assert_eq!((row.account, row.trunk, row.caller.as_deref()), (ACCOUNT, Some(PBX), Some("+49301")));
    // Not the route to who asked.
    assert_eq!((row.number, row.rule.as_deref()), (Some(NUMBER), Some("carrier-by-prefix")));
    assert_eq!(
        (row.state, row.end_cause.as_deref(), row.mode.as_deref()),
        (State::Ended, Some("completed"), Some("trunking"))
    );
    assert_eq!((row.talked().unwrap().as_millis(), row.lasted().unwrap().as_millis()), (7_000, 9_520));
}

#[tokio::test]
async fn a_call_without_a_route_tells_the_rule_that_refused_it() {
    let world = World::new();
    record(&world.log, &refused(3));
    let row = row_of(&world.views("a").await, &refused(3)).await;
    assert_eq!((row.rule.as_deref(), row.final_status), (Some("no-such-number"), Some(404)));
    assert_eq!((row.end_cause.as_deref(), row.answered_at, row.mode), (Some("failed"), None, None));
}

#[tokio::test]
async fn parties_of_an_erased_session_are_masked_and_the_rest_stays() {
    let world = World::new();
    world.keys.erase();
    record(&world.log, &basic(1));
    let row = row_of(&world.views("a").await, &basic(1)).await;
    assert_eq!((row.caller, row.called, row.call_id), (None, None, None));
    assert_eq!(row.final_status, Some(200));
}

#[tokio::test]
async fn filters_by_number_call_id_state_and_time_find_exactly_theirs() {
    let world = World::new();
    let other = CallScript::new(2).between("+49301", "+15550199").completed();
    let live = failover(3).cut(9);
    record_together(
        &world.log,
        &[
            basic(1),
            other,
            live.clone(),
            CallScript::new(4).of(STRANGER).completed(),
            CallScript::new(0).between("+15550100", "+49777").completed(),
        ],
    );
    let views = world.views("a").await;

    let by = |change: fn(&mut ListQuery)| {
        let mut query = query();
        change(&mut query);
        query
    };
    let found = ask(&views, &by(|q| q.number = Some("+15550100".into()))).await.rows;
    assert_eq!(found.len(), 3, "caller or called, own account only: {found:#?}");
    let found = ask(&views, &by(|q| q.number = Some("+1555".into()))).await.rows;
    assert!(found.is_empty(), "numbers match exactly");
    let found = ask(&views, &by(|q| q.call_id = Some("2-0@pbx.example".into()))).await.rows;
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [basic(2).session]);
    let found = ask(&views, &by(|q| q.state = Some(State::Offered))).await.rows;
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [live.session]);
    let found = ask(&views, &by(|q| q.state = Some(State::Ended))).await.rows;
    assert_eq!(found.len(), 3);
    let second = row_of(&views, &basic(2)).await.started_at;
    let found = ask(&views, &ListQuery { from: Some(second), ..query() }).await.rows;
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [live.session, basic(2).session], "newest first");
    let found = ask(&views, &ListQuery { to: Some(second), ..query() }).await.rows;
    assert_eq!(
        found.iter().map(|row| row.id).collect::<Vec<_>>(),
        [basic(1).session, basic(0).session],
        "`to` is exclusive"
    );
    assert!(ask(&views, &ListQuery { accounts: Vec::new(), ..query() }).await.rows.is_empty());
}

#[tokio::test]
async fn pages_show_every_session_once_newest_first_also_while_new_ones_come() {
    let world = World::new();
    record_together(&world.log, &(0..25).map(basic).collect::<Vec<_>>());
    let views = world.views("a").await;
    let mut seen = Vec::new();
    let mut page = ListQuery { limit: 10, number: Some("+49301".into()), ..query() };
    loop {
        let found = ask(&views, &page).await;
        seen.extend(found.rows.iter().map(|row| row.id.bits() - 0x7000_0000));
        record(&world.log, &basic(100 + seen.len() as u16));
        views.progress().wait_for(world.log.head(), PATIENCE).await.unwrap();
        page.after = found.next;
        if found.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..25).rev().collect::<Vec<u128>>());
}
