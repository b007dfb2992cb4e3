//! Who asks the API for changes of a domain and its users, by way of the log.

use adapters::provisioning::Provisioning;
use domain::credential::{AuthRule, Username};
use domain::domain_name::{DomainName, DomainPatch, DomainSettings};
use domain::ids::DomainId;
use tests::world::{ACCOUNT, Chance, DOMAIN, USERS, World, password};

/// What it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserChange {
    /// A user has this password of his two from now on.
    Password { user: usize, second: bool },
    /// A user's credential goes.
    Remove(usize),
    /// Whoever has none has one again, in a domain that there is again.
    Restore,
    /// The domain goes, with the credentials in it.
    RemoveDomain,
    /// Nobody may register in the domain or call as its user: they are known by an address that nobody has.
    Close,
    /// They are known by their passwords again.
    Open,
}

impl UserChange {
    pub(super) const fn draw(chance: &mut Chance) -> Self {
        let user = chance.below(2) as usize;
        match chance.below(8) {
            0..=2 => Self::Password { user, second: chance.percent(70) },
            3..=4 => Self::Remove(user),
            5..=6 => Self::RemoveDomain,
            _ => Self::Close,
        }
    }

    /// What takes it back; nothing where it may stay.
    pub(super) const fn undone(self) -> Option<Self> {
        match self {
            Self::Password { .. } | Self::Restore | Self::Open => None,
            Self::Remove(_) | Self::RemoveDomain => Some(Self::Restore),
            Self::Close => Some(Self::Open),
        }
    }

    pub(super) fn carry_out(self, world: &mut World) {
        world.ask_writer(move |writer| async move {
            match self {
                Self::Password { user, second } => change_password(&writer, USERS[user], second).await,
                Self::Remove(user) => remove(&writer, USERS[user]).await,
                Self::Restore => restore(&writer).await,
                Self::RemoveDomain => remove_domain(&writer).await,
                Self::Close => know_by(&writer, AuthRule::Address).await,
                Self::Open => know_by(&writer, AuthRule::Digest).await,
            }
        });
    }
}

fn name() -> DomainName {
    DOMAIN.parse().unwrap()
}

fn domain(writer: &Provisioning) -> Option<DomainId> {
    writer.directory().domain_named(&name()).map(|known| known.item.id)
}

async fn change_password(writer: &Provisioning, user: &str, second: bool) -> bool {
    let username: Username = user.parse().unwrap();
    let known = domain(writer).and_then(|id| writer.directory().credential_of(id, &username));
    let Some(known) = known else { return true };
    writer.change_credential(known.item.id, &password(user, second).parse().unwrap(), None).await.is_ok()
}

async fn remove(writer: &Provisioning, user: &str) -> bool {
    let username: Username = user.parse().unwrap();
    match domain(writer).and_then(|id| writer.directory().credential_of(id, &username)) {
        Some(known) => writer.remove_credential(known.item.id, None).await.is_ok(),
        None => true,
    }
}

async fn restore(writer: &Provisioning) -> bool {
    let mut done = match domain(writer) {
        Some(_) => true,
        None => writer.add_domain(ACCOUNT, name(), DomainSettings::default(), None).await.is_ok(),
    };
    for user in USERS {
        let username: Username = user.parse().unwrap();
        if domain(writer).is_some_and(|id| writer.directory().credential_of(id, &username).is_none()) {
            let password = password(user, false).parse().unwrap();
            done &= writer.add_credential(ACCOUNT, name(), username, &password, None).await.is_ok();
        }
    }
    done
}

async fn remove_domain(writer: &Provisioning) -> bool {
    for user in USERS {
        if !remove(writer, user).await {
            return false;
        }
    }
    match domain(writer) {
        Some(id) => writer.remove_domain(id, None).await.is_ok(),
        None => true,
    }
}

async fn know_by(writer: &Provisioning, auth: AuthRule) -> bool {
    let addresses = if auth == AuthRule::Address { vec!["192.0.2.250".parse().unwrap()] } else { vec![] };
    let patch = DomainPatch { auth: Some(auth), addresses: Some(addresses), ..DomainPatch::default() };
    match domain(writer) {
        Some(id) => writer.change_domain(id, patch, None).await.is_ok(),
        None => true,
    }
}
