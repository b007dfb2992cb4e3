//! Account, domain, numbers and credentials, by the product's own writer.

use super::{ACCOUNT, DOMAIN, SECRET, Wanted};
use adapters::keyring::Keyring;
use adapters::node::Node;
use adapters::provisioning::{MachineMeans, Provisioning, TablesSink};
use domain::ids::{AccountId, DomainId};
use domain::log::{EventLog, PortFuture};
use domain::routing::Provisioned;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Commands that wait at a time: the writer takes them together.
const TOGETHER: u32 = 256;

/// Nobody routes here.
struct Nowhere;

impl TablesSink for Nowhere {
    fn apply(&self, _: Vec<Provisioned>) -> PortFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The name of a user.
pub fn user(number: u32) -> String {
    format!("u{number:06}")
}

/// Provisions everything; the account and the domain of the users.
pub async fn provision(
    log: &Arc<dyn EventLog>,
    keyring: &Arc<Keyring>,
    node: Node,
    wanted: &Wanted,
) -> (AccountId, DomainId) {
    let means = MachineMeans::new(node, Arc::clone(keyring));
    let provisioning = Provisioning::start(Arc::clone(log), Arc::new(means), Arc::new(Nowhere), node.number, None);
    let provisioning = provisioning.await.unwrap();
    let (account, token) = (ACCOUNT.parse().unwrap(), SECRET.parse().unwrap());
    provisioning.ensure_first_account(Some(account), Some(&token)).await.unwrap().unwrap();
    let domain = provisioning.add_domain(account, DOMAIN.parse().unwrap(), Default::default(), None);
    let (domain, _) = domain.await.unwrap().unwrap();
    for from in (0..wanted.numbers).step_by(TOGETHER as usize) {
        let mut together = JoinSet::new();
        for number in from..wanted.numbers.min(from + TOGETHER) {
            let provisioning = provisioning.clone();
            let phone = format!("+1556{number:07}").parse().unwrap();
            let target = format!("sip:{}@{DOMAIN}", user(number % wanted.users.max(1)));
            let target = domain::number::Target::Sip(target.parse().unwrap());
            together.spawn(async move {
                provisioning.claim_number(account, phone, target, None).await.unwrap().unwrap();
            });
        }
        together.join_all().await;
    }
    let users = if wanted.credentials { wanted.users } else { 0 };
    for from in (0..users).step_by(TOGETHER as usize) {
        let mut together = JoinSet::new();
        for number in from..users.min(from + TOGETHER) {
            let provisioning = provisioning.clone();
            let (realm, name) = (DOMAIN.parse().unwrap(), user(number).parse().unwrap());
            let password = format!("pw{number:06}").parse().unwrap();
            together.spawn(async move {
                provisioning.add_credential(account, realm, name, &password, None).await.unwrap().unwrap();
            });
        }
        together.join_all().await;
    }
    (account, domain)
}
