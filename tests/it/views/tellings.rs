//! Everything that read models tell when they are asked everything, a line a row.

use domain::ids::{AccountId, RegistrationId, TrunkId};
use projections::{Views, messages, registrations, routing, sessions, uplinks};
use std::collections::BTreeSet;
use std::fmt::{Debug, Write};

/// Rows a page: few, so that there are several pages.
const PAGE: usize = 25;
/// Trunks that are asked for: those of tests have small numbers.
const TRUNKS: std::ops::RangeInclusive<u128> = 1..=9;

/// See the module.
pub async fn everything(views: &Views, account: AccountId) -> String {
    let (accounts, mut told) = (vec![account], String::new());
    all_sessions(views, &accounts, &mut told).await;
    let query = routing::UseQuery { accounts: accounts.clone(), ..Default::default() };
    let mut used = views.routing().used(&query).await.unwrap();
    // Those that are as frequent come in any order.
    used.sort_by_key(|used| format!("{used:?}"));
    used.iter().for_each(|used| line(&mut told, used));
    all_registrations(views, &accounts, &mut told).await;
    all_messages(views, &accounts, &mut told).await;
    for trunk in TRUNKS.map(TrunkId::from_bits) {
        line(&mut told, &(trunk, views.uplinks().owner(trunk).await.unwrap()));
        let mut after = None;
        loop {
            let query = uplinks::HistoryQuery { trunk, after, limit: PAGE };
            let page = views.uplinks().history(&query).await.unwrap();
            page.rows.iter().for_each(|row| line(&mut told, row));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    told
}

fn line(told: &mut String, row: &impl Debug) {
    writeln!(told, "{row:?}").unwrap();
}

async fn all_sessions(views: &Views, accounts: &[AccountId], told: &mut String) {
    let mut query = sessions::ListQuery { accounts: accounts.to_vec(), limit: PAGE, ..Default::default() };
    loop {
        let page = views.sessions().list(&query).await.unwrap();
        for row in &page.rows {
            assert_eq!(views.sessions().find(row.id).await.unwrap().as_ref(), Some(row), "listed, and not found");
            line(told, row);
        }
        query.after = page.next;
        if query.after.is_none() {
            return;
        }
    }
}

async fn all_registrations(views: &Views, accounts: &[AccountId], told: &mut String) {
    let (reader, mut known) = (views.registrations(), BTreeSet::new());
    let mut query = registrations::ListQuery { accounts: accounts.to_vec(), limit: PAGE, ..Default::default() };
    loop {
        let page = reader.list(&query).await.unwrap();
        for row in &page.rows {
            assert_eq!(reader.find(row.binding).await.unwrap().as_ref(), Some(row), "listed, and not found");
            known.insert(row.registration.bits());
            line(told, row);
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    for registration in known.into_iter().map(RegistrationId::from_bits) {
        line(told, &(registration, reader.owner(registration).await.unwrap()));
        let mut query = registrations::HistoryQuery { registration, after: None, limit: PAGE };
        loop {
            let page = reader.history(&query).await.unwrap();
            page.rows.iter().for_each(|row| line(told, row));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
}

async fn all_messages(views: &Views, accounts: &[AccountId], told: &mut String) {
    let mut query = messages::ListQuery { accounts: accounts.to_vec(), limit: PAGE, ..Default::default() };
    loop {
        let page = views.messages().list(&query).await.unwrap();
        for row in &page.rows {
            assert_eq!(views.messages().find(row.id).await.unwrap().as_ref(), Some(row), "listed, and not found");
            line(told, row);
        }
        query.after = page.next;
        if query.after.is_none() {
            return;
        }
    }
}
