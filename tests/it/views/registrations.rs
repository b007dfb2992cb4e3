//! The read model `registrations`: who is registered, and who was.

use super::harness::{PATIENCE, World};
use domain::erasure::{SubjectKind, Targets};
use domain::ids::{AccountId, BindingId, DomainId};
use domain::log::{Append, EventLog};
use domain::registration::RemovalCause;
use projections::Views;
use projections::registrations::{BindingRow, HistoryQuery, HistoryRow, ListQuery};
use tests::calls::{ACCOUNT, STRANGER, basic, record};
use tests::proofs::erasures;
use tests::registrations::{DOMAIN, RegistrationScript};

fn all() -> ListQuery {
    ListQuery { accounts: vec![ACCOUNT], limit: 50, ..ListQuery::default() }
}

async fn list(views: &Views, query: &ListQuery) -> Vec<BindingRow> {
    views.registrations().list(query).await.unwrap().rows
}

fn aors(rows: &[BindingRow]) -> Vec<&str> {
    rows.iter().map(|row| row.aor.as_deref().unwrap_or("masked")).collect()
}

async fn history(views: &Views, script: &RegistrationScript) -> Vec<HistoryRow> {
    let query = HistoryQuery { registration: script.id(), after: None, limit: 50 };
    views.registrations().history(&query).await.unwrap().rows
}

fn told(rows: &[HistoryRow]) -> Vec<String> {
    let text = |row: &HistoryRow| {
        let cause = row.cause.as_deref().unwrap_or("-");
        format!("{} {} {cause}", row.what.name(), row.address.as_deref().unwrap_or("masked"))
    };
    rows.iter().map(text).collect()
}

#[tokio::test]
async fn a_binding_is_a_row_with_its_device_transport_and_address() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070).record(&world.log);
    let views = world.views("views.db").await;
    let rows = list(&views, &all()).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.binding, row.registration), (BindingId::from_bits(1), script.id()));
    assert_eq!((row.account, row.domain, row.state(), row.api), (ACCOUNT, Some(DOMAIN), "online", false));
    let texts = [&row.aor, &row.contact, &row.user_agent, &row.instance, &row.transport, &row.address];
    let expected = ["alice@a.example", "sip:alice@192.0.2.1:5070", "Phone/1", "urn:uuid:1", "udp", "198.51.100.1:5070"];
    assert_eq!(texts.map(|text| text.as_deref().unwrap()), expected);
    assert_eq!((row.reg_id, row.q.map(|q| q.thousandths()), row.refreshes), (Some(1), Some(500), 0));
    assert_eq!(row.since.to_string(), "2026-01-02T03:04:05.000000Z");
    assert_eq!(row.expires_at.unwrap().to_string(), "2026-01-02T03:14:05.000000Z");
    assert_eq!(views.registrations().find(row.binding).await.unwrap().as_ref(), Some(row));
    assert_eq!(views.registrations().owner(script.id()).await.unwrap(), Some(ACCOUNT));
}

#[tokio::test]
async fn refreshes_are_counted_and_only_moves_are_history() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070);
    let script = (0..5).fold(script, |script, _| script.after(300).refreshed(1, 5070));
    let script = script.after(300).refreshed(1, 6000).after(300).refreshed(1, 6000).record(&world.log);
    let views = world.views("views.db").await;
    let row = list(&views, &all()).await.remove(0);
    assert_eq!((row.refreshes, row.address.as_deref()), (7, Some("198.51.100.1:6000")));
    assert_eq!(row.contact.as_deref(), Some("sip:alice@192.0.2.1:6000"));
    assert_eq!(row.refreshed_at.to_string(), "2026-01-02T03:39:05.000000Z");
    assert_eq!(row.expires_at.unwrap().to_string(), "2026-01-02T03:49:05.000000Z");
    let rows = history(&views, &script).await;
    assert_eq!(told(&rows), ["moved 198.51.100.1:6000 -", "added 198.51.100.1:5070 -"]);
    assert_eq!(rows[0].at.to_string(), "2026-01-02T03:34:05.000000Z", "when it moved, not when it was seen last");
}

#[tokio::test]
async fn a_binding_says_how_it_is_reached_until_a_refresh_comes() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070).after(10).reached_by_contact(1).record(&world.log);
    // A refresh that comes in the same write counts all the same.
    let both = RegistrationScript::of("bob").added(2, 5070).after(10).reached_by_contact(2).after(10);
    let both = both.refreshed(2, 5070).record(&world.log);
    let views = world.views("views.db").await;
    let rows = list(&views, &all()).await;
    let reached: Vec<_> = rows.iter().map(|row| (row.reach.as_str(), row.state())).collect();
    assert_eq!(reached, [("flow", "online"), ("contact", "online")]);
    assert_eq!(told(&history(&views, &script).await)[0], "reach 198.51.100.1:5070 contact");
    assert_eq!(told(&history(&views, &both).await).len(), 2, "a refresh alone is no history");
}

#[tokio::test]
async fn a_binding_that_ended_says_why_and_how_long_it_lasted() {
    let world = World::new();
    let causes = [
        (RemovalCause::Unregistered, "unregistered"),
        (RemovalCause::Replaced, "replaced"),
        (RemovalCause::Expired, "expired"),
        (RemovalCause::FlowLost, "flow-lost"),
        (RemovalCause::Api, "api"),
    ];
    let script = causes.iter().zip(1u128..).fold(RegistrationScript::of("alice"), |script, ((cause, _), binding)| {
        script.added(binding, 5070).after(60).removed(binding, *cause)
    });
    let script = script.record(&world.log);
    let views = world.views("views.db").await;
    let rows = list(&views, &all()).await;
    let states: Vec<&str> = rows.iter().rev().map(BindingRow::state).collect();
    assert_eq!(states, causes.map(|(_, name)| name));
    assert!(rows.iter().all(|row| row.lasted().unwrap().as_secs() == 60));
    let rows = history(&views, &script).await;
    assert_eq!(told(&rows)[..2], ["removed 198.51.100.1:5070 api", "added 198.51.100.1:5070 -"]);
}

#[tokio::test]
async fn rows_are_found_by_account_domain_address_and_state_in_pages() {
    let world = World::new();
    for (binding, user) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        RegistrationScript::of(user).added(binding, 5070).record(&world.log);
    }
    RegistrationScript::of("dave").added(4, 5070).after(1).removed(4, RemovalCause::Expired).record(&world.log);
    let other = DomainId::from_bits(0xd1);
    RegistrationScript::of("erin").in_domain(ACCOUNT, other).added(5, 5070).record(&world.log);
    RegistrationScript::of("eve").in_domain(STRANGER, DomainId::from_bits(0xd2)).added(6, 5070).record(&world.log);
    let views = world.views("views.db").await;
    let found = async |query: ListQuery| {
        let rows = list(&views, &query).await;
        aors(&rows).iter().map(|aor| aor.split('@').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(all()).await, ["erin", "dave", "carol", "bob", "alice"]);
    assert_eq!(found(ListQuery { accounts: vec![STRANGER], ..all() }).await, ["eve"]);
    assert_eq!(found(ListQuery { accounts: vec![], ..all() }).await, Vec::<String>::new());
    assert_eq!(found(ListQuery { domain: Some(other), ..all() }).await, ["erin"]);
    assert_eq!(found(ListQuery { aor: Some("bob@a.example".into()), ..all() }).await, ["bob"]);
    assert_eq!(found(ListQuery { online: Some(false), ..all() }).await, ["dave"]);
    assert_eq!(found(ListQuery { online: Some(true), domain: Some(DOMAIN), ..all() }).await, ["carol", "bob", "alice"]);

    let first = views.registrations().list(&ListQuery { limit: 3, ..all() }).await.unwrap();
    assert_eq!((first.rows.len(), first.next.is_some()), (3, true));
    let second = views.registrations().list(&ListQuery { limit: 3, after: first.next, ..all() }).await.unwrap();
    assert_eq!((aors(&second.rows), second.next), (vec!["bob@a.example", "alice@a.example"], None));
}

#[tokio::test]
async fn rows_go_on_where_they_ended_after_a_restart_and_beside_calls() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070).after(60).refreshed(1, 5070).record(&world.log);
    record(&world.log, &basic(1));
    let views = world.views("views.db").await;
    views.close().await;
    drop(views);
    let script =
        script.after(60).refreshed(1, 6000).after(60).removed(1, RemovalCause::Unregistered).record(&world.log);
    let views = world.views("views.db").await;
    let row = list(&views, &all()).await.remove(0);
    assert_eq!((row.refreshes, row.state()), (2, "unregistered"));
    assert_eq!(history(&views, &script).await.len(), 3);
    let rebuilt = world.views("again.db").await;
    assert_eq!(list(&rebuilt, &all()).await, list(&views, &all()).await);
    assert_eq!(history(&rebuilt, &script).await, history(&views, &script).await);
}

#[tokio::test]
async fn what_was_erased_is_masked_when_rows_are_made_again() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070).after(1).refreshed(1, 5070).record(&world.log);
    world.keys.erase();
    let views = world.views("views.db").await;
    let row = list(&views, &all()).await.remove(0);
    assert_eq!((row.aor, row.contact, row.address, row.user_agent), (None, None, None, None));
    assert_eq!((row.account, row.refreshes, row.transport.as_deref()), (ACCOUNT, 1, Some("udp")));
    assert_eq!(told(&history(&views, &script).await), ["added masked -"]);
}

#[tokio::test]
async fn that_a_binding_moved_is_forgotten_with_where_it_was() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070).after(1).refreshed(1, 6000).after(1);
    let script = script.removed(1, RemovalCause::Unregistered).record(&world.log);
    let views = world.views("views.db").await;
    assert_eq!(history(&views, &script).await.len(), 3);
    let log = world.log();
    let targets = Targets { registrations: vec![script.id()], ..Targets::default() };
    let named = (SubjectKind::Aor, "alice@a.example");
    let (_, position) = erasures(&log, &world.keys, 1).erase(ACCOUNT, named, targets, log.head()).await.unwrap();
    views.progress().wait_for_rows(position, PATIENCE).await.unwrap();
    assert_eq!(told(&history(&views, &script).await), ["removed masked unregistered", "added masked -"]);
    let rebuilt = world.views("again.db").await;
    assert_eq!(history(&rebuilt, &script).await, history(&views, &script).await);
}

#[tokio::test]
async fn a_binding_that_began_just_before_an_erasure_keeps_its_row() {
    let world = World::new();
    let script = RegistrationScript::of("alice").added(1, 5070).after(1);
    let script = script.removed(1, RemovalCause::Unregistered).after(1).added(2, 5080).record(&world.log);
    let views = world.views("views.db").await;
    let log = world.log();
    let targets = Targets { registrations: vec![script.id()], ..Targets::default() };
    let named = (SubjectKind::Aor, "alice@a.example");
    let (_, position) = erasures(&log, &world.keys, 1).erase(ACCOUNT, named, targets, log.head()).await.unwrap();
    views.progress().wait_for_rows(position, PATIENCE).await.unwrap();
    let rows = list(&views, &all()).await;
    let shown: Vec<_> = rows.iter().map(|row| (row.ended_at.is_some(), row.aor.as_deref())).collect();
    assert_eq!(shown, [(false, Some("alice@a.example")), (true, None)]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_the_rows_before_it() {
    let world = World::new();
    RegistrationScript::of("alice").added(1, 5070).record(&world.log);
    let views = world.views("views.db").await;
    let recorded = RegistrationScript::of("bob");
    let append = Append {
        stream: domain::log::StreamName::new("registration", recorded.id().uuid()),
        expected: domain::log::Expected::NoStream,
        life: domain::log::Life::Open,
        correlation: recorded.id().uuid(),
        node: 2,
        events: vec![domain::log::Draft {
            id: domain::ids::EventId::minted(3, 1, 1, 1),
            kind: "BindingAdded".into(),
            version: 2,
            at: domain::time::WallTime::default(),
            cause: None,
            previous: domain::log::EventHash::NONE,
            data: "{}".into(),
        }],
    };
    tests::calls::submit(&world.log, vec![append]);
    let refused = views.progress().wait_for_rows(world.log.head(), PATIENCE).await.unwrap_err();
    assert!(refused.to_string().contains("BindingAdded version 2"), "{refused}");
    assert_eq!(aors(&list(&views, &all()).await), ["alice@a.example"]);
    let nobody = ListQuery { accounts: vec![AccountId::from_bits(1)], ..all() };
    assert!(list(&views, &nobody).await.is_empty());
}

#[tokio::test]
async fn many_changes_of_one_write_become_the_rows_that_single_ones_would() {
    const USERS: u128 = 150;
    let world = World::new();
    let mut scripts = Vec::new();
    for user in 0..USERS {
        let script = RegistrationScript::of(&format!("user{user}")).added(user + 1, 5070);
        let script = script.after(1).refreshed(user + 1, 6000).after(1).refreshed(user + 1, 5070);
        let script = if user % 2 == 0 { script } else { script.after(1).removed(user + 1, RemovalCause::Expired) };
        scripts.push(script.record(&world.log));
    }
    let views = world.views("views.db").await;
    let online = list(&views, &ListQuery { online: Some(true), limit: 200, ..all() }).await;
    assert_eq!(online.len(), 75);
    assert!(online.iter().all(|row| row.refreshes == 2 && row.address.as_deref() == Some("198.51.100.1:5070")));
    for (user, script) in scripts.iter().enumerate() {
        let mut wanted = vec!["moved 198.51.100.1:5070 -", "moved 198.51.100.1:6000 -", "added 198.51.100.1:5070 -"];
        if user % 2 == 1 {
            wanted.insert(0, "removed 198.51.100.1:5070 expired");
        }
        assert_eq!(told(&history(&views, script).await), wanted, "of user {user}");
    }
}
