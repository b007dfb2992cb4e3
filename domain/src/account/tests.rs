//! given / when / then of accounts.

use super::*;
use crate::account::LimitsPatch;
use crate::spec::{Given, given};

const ACCOUNT: AccountId = AccountId::from_bits(1);
const PARENT: AccountId = AccountId::from_bits(9);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn key(n: u128) -> NewKey {
    NewKey { id: KeyId::from_bits(n), name: name("first"), secret_sha256: SecretHash::of(&n.to_string()) }
}

fn opened() -> AccountEvent {
    AccountEvent::Opened(AccountOpened { account: ACCOUNT, name: name("Acme"), parent: None, by: None })
}

fn key_issued(n: u128) -> AccountEvent {
    issued(ACCOUNT, key(n), None)
}

fn closed() -> AccountEvent {
    AccountEvent::Closed(AccountClosed { account: ACCOUNT, by: None })
}

fn open_under(parent: Option<ParentFacts>) -> AccountCommand {
    AccountCommand::Open { account: ACCOUNT, name: name("Acme"), parent, key: key(1), by: None }
}

#[test]
fn opening_makes_an_account_with_its_first_key() {
    given::<Account>([]).when(open_under(None)).then([opened(), key_issued(1)]);
}

#[test]
fn an_id_opens_once() {
    given::<Account>([opened()]).when(open_under(None)).then_rejected(AccountRejection::AlreadyOpen);
}

#[test]
fn a_sub_account_needs_an_open_parent_that_is_not_too_deep() {
    let parent = |depth, closed| Some(ParentFacts { id: PARENT, depth, closed });
    let sub = AccountOpened { account: ACCOUNT, name: name("Acme"), parent: Some(PARENT), by: None };
    let nothing = || given::<Account>([]);
    nothing().when(open_under(parent(7, false))).then([AccountEvent::Opened(sub), key_issued(1)]);
    nothing().when(open_under(parent(8, false))).then_rejected(AccountRejection::TooDeep);
    nothing().when(open_under(parent(0, true))).then_rejected(AccountRejection::ParentClosed);
}

#[test]
fn renaming_to_the_same_name_changes_nothing() {
    let account = given::<Account>([opened()]);
    account.when(AccountCommand::Rename { name: name("Acme"), by: None }).then_nothing();
    let renamed = AccountRenamed { account: ACCOUNT, name: name("Acme Ltd"), by: Some(KeyId::from_bits(1)) };
    account
        .when(AccountCommand::Rename { name: name("Acme Ltd"), by: Some(KeyId::from_bits(1)) })
        .then([AccountEvent::Renamed(renamed)]);
}

#[test]
fn limits_change_one_by_one_and_the_same_ones_change_nothing() {
    let calls = |limit: Option<u64>| LimitsPatch {
        max_calls: Some(limit.map(|limit| limit.try_into().unwrap())),
        ..LimitsPatch::default()
    };
    let limited = |max_calls: Option<u64>, max_registrations: Option<u64>| {
        let limits = AccountLimits {
            max_calls: max_calls.map(|limit| limit.try_into().unwrap()),
            max_registrations: max_registrations.map(|limit| limit.try_into().unwrap()),
            ..AccountLimits::default()
        };
        AccountEvent::Limited(AccountLimited { account: ACCOUNT, limits, by: None })
    };
    let limit = |limits| AccountCommand::Limit { limits, by: None };
    given::<Account>([opened()]).when(limit(calls(Some(5)))).then([limited(Some(5), None)]);
    let account = given::<Account>([opened(), limited(Some(5), Some(9))]);
    account.when(limit(calls(Some(5)))).then_nothing();
    account.when(limit(calls(None))).then([limited(None, Some(9))]);
    given::<Account>([opened(), closed()]).when(limit(calls(None))).then_rejected(AccountRejection::Closed);
}

#[test]
fn a_key_is_issued_once_and_only_up_to_the_limit() {
    let issue = |n| AccountCommand::IssueKey { key: key(n), by: None };
    let account = given::<Account>([opened(), key_issued(1)]);
    account.when(issue(2)).then([key_issued(2)]);
    account.when(issue(1)).then_rejected(AccountRejection::KeyExists);
    let full: Given<Account> = given([opened()].into_iter().chain((1..=20).map(key_issued)));
    full.when(issue(21)).then_rejected(AccountRejection::TooManyKeys);
}

#[test]
fn the_last_key_cannot_be_revoked() {
    let revoke = |n| AccountCommand::RevokeKey { key: KeyId::from_bits(n), by: None };
    let revoked = |n| AccountEvent::KeyRevoked(ApiKeyRevoked { account: ACCOUNT, key: KeyId::from_bits(n), by: None });
    given::<Account>([opened(), key_issued(1), key_issued(2)]).when(revoke(1)).then([revoked(1)]);
    given::<Account>([opened(), key_issued(1)]).when(revoke(3)).then_rejected(AccountRejection::UnknownKey);
    given::<Account>([opened(), key_issued(1), key_issued(2), revoked(1)])
        .when(revoke(2))
        .then_rejected(AccountRejection::LastKey);
}

#[test]
fn a_closed_account_refuses_everything_but_being_closed_again() {
    let account = given::<Account>([opened(), key_issued(1), closed()]);
    account.when(AccountCommand::Close { by: None }).then_nothing();
    account.when(AccountCommand::Rename { name: name("x"), by: None }).then_rejected(AccountRejection::Closed);
    account.when(AccountCommand::IssueKey { key: key(2), by: None }).then_rejected(AccountRejection::Closed);
}

#[test]
fn nothing_can_be_asked_of_an_account_that_never_opened() {
    given::<Account>([]).when(AccountCommand::Close { by: None }).then_rejected(AccountRejection::NotOpen);
}

#[test]
fn a_secret_finds_its_key_until_that_is_revoked() {
    let revoked = AccountEvent::KeyRevoked(ApiKeyRevoked { account: ACCOUNT, key: KeyId::from_bits(1), by: None });
    let account = given::<Account>([opened(), key_issued(1), key_issued(2), revoked]);
    let profile = account.state().profile().unwrap();
    assert_eq!(profile.key_of_secret(&SecretHash::of("2")).map(|key| key.id), Some(KeyId::from_bits(2)));
    assert_eq!(profile.key_of_secret(&SecretHash::of("1")), None);
}
