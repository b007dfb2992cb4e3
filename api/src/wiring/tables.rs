//! Configuration on its way from the log to the shard.

use adapters::exchange::{Inbox, Notice};
use adapters::keyring::Keyring;
use adapters::provisioning::TablesSink;
use adapters::sip_socket::resolve::Names;
use domain::account::AccountEvent;
use domain::ids::AccountId;
use domain::log::PortFuture;
use domain::routing::{Provisioned, ProvisioningEvent};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Durable configuration goes to the shard, and an account gets its keys, before its command is answered.
pub(super) struct ShardTables {
    pub inbox: Arc<Inbox>,
    pub keyring: Arc<Keyring>,
    pub names: Names,
}

impl TablesSink for ShardTables {
    fn expect(&self, numbers: usize) {
        self.inbox.tell(Notice::ExpectNumbers(numbers));
    }

    fn apply(&self, mut events: Vec<Provisioned>) -> PortFuture<'_, ()> {
        let opened: Vec<_> = events.iter().filter_map(opened).collect();
        if let Err(error) = self.keyring.ensure_accounts(&opened) {
            tracing::error!(%error, accounts = ?opened, "no keys for these accounts: their calls are refused with 503");
        }
        self.names.look_up(&events);
        for provisioned in &mut events {
            // What the call path checks passwords by is opened here: that may wait for the disk.
            if !provisioned.event.open(&*self.keyring) {
                let position = provisioned.position.0;
                tracing::error!(position, "the key of a secret is gone: whoever has that password is refused");
            }
        }
        let (done, applied) = oneshot::channel();
        self.inbox.tell(Notice::Provisioned(events, done));
        // A stopped shard routes nothing that could be stale.
        Box::pin(async move { drop(applied.await) })
    }
}

/// Waits until every host name that targets and trunks name has been looked up once; what was found has been told then.
pub(super) async fn names_known(inbox: Arc<Inbox>, names: Names) {
    let (reply, hosts) = oneshot::channel();
    inbox.tell(Notice::Hosts(reply));
    // A shard that has stopped calls nobody.
    names.looked_up(hosts.await.unwrap_or_default()).await;
}

/// The account that was opened by an event.
const fn opened(provisioned: &Provisioned) -> Option<AccountId> {
    let ProvisioningEvent::Account(AccountEvent::Opened(opened)) = &provisioned.event else { return None };
    Some(opened.account)
}
