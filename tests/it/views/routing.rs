//! `routing`: what calls took and how it went.

use super::harness::World;
use domain::ids::{NumberId, TrunkId};
use projections::routing::UseQuery;
use tests::calls::{
    ACCOUNT, CARRIER_A, CARRIER_B, CallScript, NUMBER, STRANGER, basic, failover, record_together, refused,
};

fn of_number(number: NumberId) -> UseQuery {
    UseQuery { accounts: vec![ACCOUNT], number: Some(number), ..UseQuery::default() }
}

async fn ways(world: &World, query: &UseQuery) -> Vec<(Option<u8>, Option<TrunkId>, String, u16, u64)> {
    let views = world.views("a").await;
    let found = views.routing().used(query).await.unwrap();
    found.into_iter().map(|used| (used.target, used.trunk, used.outcome, used.status, used.attempts)).collect()
}

#[tokio::test]
async fn a_failover_counts_the_failed_target_and_the_one_that_took_the_call() {
    let world = World::new();
    record_together(&world.log, &[basic(1), failover(2), basic(3), CallScript::new(4).of(STRANGER).completed()]);
    assert_eq!(
        ways(&world, &of_number(NUMBER)).await,
        [
            (Some(0), Some(CARRIER_A), "answered".to_owned(), 200, 2),
            (Some(0), Some(CARRIER_A), "response".to_owned(), 503, 1),
            (Some(1), Some(CARRIER_B), "answered".to_owned(), 200, 1),
        ]
    );
    let by_trunk = UseQuery { accounts: vec![ACCOUNT], trunk: Some(CARRIER_B), ..UseQuery::default() };
    assert_eq!(ways(&world, &by_trunk).await.len(), 1);
    assert!(ways(&world, &of_number(NumberId::from_bits(1))).await.is_empty());
}

#[tokio::test]
async fn a_refused_call_counts_as_an_attempt_without_a_target() {
    let world = World::new();
    record_together(&world.log, &[refused(1), refused(2)]);
    let all = UseQuery { accounts: vec![ACCOUNT], ..UseQuery::default() };
    assert_eq!(ways(&world, &all).await, [(None, None, "refused".to_owned(), 404, 2)]);
}
