//! Bindings by API.

use super::{Aor, BindingAdded, BindingRemoved, Device, Q, Registration, RegistrationEvent, RemovalCause, Terms};
use crate::ids::{BindingId, KeyId};
use crate::log::{PortFuture, Position};
use crate::sip::wire::UriBuf;
use crate::time::WallTime;
use std::time::Duration;

/// A binding to make by API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBinding {
    /// Where the user can be reached: a `sip:` or `sips:` URI.
    pub contact: UriBuf,
    /// Its priority.
    pub q: Option<Q>,
    /// How long it holds, in seconds; without it, until it is removed.
    pub expires: Option<u32>,
}

/// What is asked of an address of record by API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationCommand {
    /// Make a binding.
    Bind {
        /// What to make.
        new: NewBinding,
        /// Who asks.
        by: Option<KeyId>,
    },
    /// Remove a binding, whoever made it.
    Unbind {
        /// Which.
        id: BindingId,
        /// Who asks.
        by: Option<KeyId>,
    },
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandRejection {
    /// No domain of that name is served, or it is another account's.
    #[error("there is no such domain")]
    NoDomain,
    /// There is no such binding, or it is over.
    #[error("there is no such binding")]
    Unknown,
    /// The user would have more bindings than the domain allows.
    #[error("the user has {0} bindings, as many as the domain allows: remove one first")]
    TooMany(u16),
    /// The account would have more bindings than it may.
    #[error("the account has as many registrations as it may (max_registrations)")]
    AccountFull,
    /// Outside the domain's limits.
    #[error("expected {min} to {max} seconds, the limits of the domain")]
    Expires {
        /// The shortest.
        min: u32,
        /// The longest.
        max: u32,
    },
    /// Calls would go round for ever.
    #[error("the contact is the address of record itself")]
    Loop,
    /// The user has a binding by API with this contact.
    #[error("the user has a binding by API with this contact already")]
    Taken,
    /// The contact cannot be called.
    #[error("expected a sip or sips URI of at most 512 bytes")]
    Contact,
}

/// The exchange cannot carry commands out now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("registrations are not available now: {0}; look whether the change was made, then try again")]
pub struct RegistrarAway(pub String);

/// Whoever owns the streams of registrations and carries commands out: a shard of the exchange.
pub trait Registrar: Send + Sync {
    /// Carries a command out for a user of one of `account`'s domains; answers when it is durable.
    fn command(
        &self,
        account: crate::ids::AccountId,
        aor: Aor,
        command: RegistrationCommand,
    ) -> PortFuture<'_, Result<Result<Done, CommandRejection>, RegistrarAway>>;
}

/// A command that was carried out and is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The binding that was made or removed.
    pub binding: BindingId,
    /// Position of the command's last event in the log.
    pub position: Position,
}

impl Registration {
    /// Decides on a command. First come removals of what has expired. `id` gives a fresh id.
    ///
    /// # Errors
    /// A rule says no; nothing changes.
    pub fn decide(
        &self,
        command: &RegistrationCommand,
        terms: &Terms<'_>,
        now: WallTime,
        id: &mut dyn FnMut() -> BindingId,
    ) -> Result<Vec<RegistrationEvent>, CommandRejection> {
        let mut events = self.expire(now);
        match command {
            RegistrationCommand::Bind { new, by } => events.push(self.bind(new, *by, terms, now, id)?),
            RegistrationCommand::Unbind { id, by } => {
                let binding = self.bindings(now).find(|binding| binding.id == *id).ok_or(CommandRejection::Unknown)?;
                events.push(RegistrationEvent::BindingRemoved(BindingRemoved {
                    binding: binding.id,
                    account: terms.account,
                    cause: RemovalCause::Api,
                    by: *by,
                }));
            }
        }
        Ok(events)
    }

    fn bind(
        &self,
        new: &NewBinding,
        by: Option<KeyId>,
        terms: &Terms<'_>,
        now: WallTime,
        id: &mut dyn FnMut() -> BindingId,
    ) -> Result<RegistrationEvent, CommandRejection> {
        let uri = new.contact.as_uri();
        if uri.host().is_none() || new.contact.as_str().len() > 512 {
            return Err(CommandRejection::Contact);
        }
        if Aor::of(&uri).is_ok_and(|aor| aor == *terms.aor) {
            return Err(CommandRejection::Loop);
        }
        let (min, max) = (terms.settings.min_expires, terms.settings.max_expires);
        if new.expires.is_some_and(|expires| !(min..=max).contains(&expires)) {
            return Err(CommandRejection::Expires { min, max });
        }
        if self.bindings(now).any(|binding| binding.origin == super::Origin::Api && binding.is_at(&uri)) {
            return Err(CommandRejection::Taken);
        }
        if self.bindings(now).count() >= usize::from(terms.settings.max_bindings) {
            return Err(CommandRejection::TooMany(terms.settings.max_bindings));
        }
        if terms.room == Some(0) {
            return Err(CommandRejection::AccountFull);
        }
        let device = Device {
            aor: terms.aor.clone(),
            contact: new.contact.clone(),
            params: Box::default(),
            call_id: Box::default(),
            instance: None,
            user_agent: None,
            path: vec![],
            flow: None,
        };
        Ok(RegistrationEvent::BindingAdded(BindingAdded {
            binding: id(),
            account: terms.account,
            domain: terms.home.domain(),
            trunk: terms.home.trunk(),
            cseq: 0,
            q: new.q,
            reg_id: None,
            transport: None,
            expires: new.expires,
            until: new.expires.map(|expires| now + Duration::from_secs(expires.into())),
            api: true,
            by,
            sole: false,
            device: device.into(),
        }))
    }
}
