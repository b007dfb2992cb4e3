//! Exchanges beside the one that runs, and what they know as text: for tests that hold one against the other.

use super::Unlike;
use super::history::Histories;
use super::redraw::Redraw;
use crate::exchange::{Exchange, ExchangeSettings};
use crate::ids::SessionId;
use crate::log::{Recorded, StreamName};
use crate::pager::PagerEvent;
use crate::ports::{Keyring, Mint};
use crate::routing::Tables;
use crate::session::Session;
use crate::session::referred::Referred;
use crate::time::Now;
use std::collections::BTreeMap;

impl Exchange {
    /// Another exchange of the same settings, tables and bindings, which has taken up what these streams tell, as it was
    /// at the death: for tests.
    ///
    /// # Errors
    /// What is not as it was.
    #[doc(hidden)]
    pub fn taken_up(
        &self,
        now: Now,
        mint: &mut dyn Mint,
        keyring: &dyn Keyring,
        streams: &[Vec<Recorded>],
    ) -> Result<Self, Vec<Unlike>> {
        let mut other = Self::new(self.settings.clone(), self.tables.clone());
        other.registrar.bindings = self.registrar.bindings.clone();
        let Histories { turns, keys, ways, logins, mut unlike, .. } = Histories::read(streams, keyring);
        other.play_all(now, mint.draws().clone(), (keys, ways, logins), true, turns);
        other.endpoint.outlives_as(&self.endpoint);
        // One that runs has forgotten by now what is kept until it is known whether it arrived.
        other.replaying = Some(Box::default());
        let mut redraw = Redraw::new(mint.draws().clone());
        other.fire_silent(now, &mut redraw);
        // And what is due has fired there, without a word: a start fires it when it serves.
        let ids: Vec<SessionId> = other.sessions.keys().copied().collect();
        ids.into_iter().for_each(|id| other.fire_unheard(now, &mut redraw, id));
        other.replaying = None;
        for (id, live) in other.sessions.iter() {
            let stream = StreamName::new("session", id.uuid());
            let why = live.expects.as_ref().and_then(|expectation| expectation.unlike());
            unlike.extend(why.map(|why| Unlike { stream, why: why.to_owned() }));
        }
        for (id, live) in other.messages.live.iter() {
            let stream = StreamName::new(PagerEvent::CATEGORY, id.uuid());
            let why = live.expects.as_ref().and_then(|recounted| recounted.unlike.clone());
            unlike.extend(why.map(|why| Unlike { stream, why }));
        }
        if unlike.is_empty() { Ok(other) } else { Err(unlike) }
    }

    /// An exchange of the next start, which knows nothing but the configuration, and takes nonces of its own, or of the one
    /// before: for tests.
    #[doc(hidden)]
    pub fn anew(&self, start: u32, takes_old_nonces: bool) -> Self {
        let edge_stream = StreamName::new("edge", format_args!("{}-0-{start}", self.settings.node));
        let epoch = if takes_old_nonces { self.settings.epoch } else { start };
        let settings = ExchangeSettings { epoch, edge_stream, ..self.settings.clone() };
        Self { instead: self.instead.clone(), ..Self::new(settings, self.tables.clone()) }
    }

    /// The next start is set otherwise: for tests.
    #[doc(hidden)]
    pub fn set_otherwise(&mut self, change: impl FnOnce(&mut ExchangeSettings)) {
        change(&mut self.settings);
    }

    /// What calls are routed by: for tests.
    #[doc(hidden)]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// It knows no settings, as at the beginning of a start: for tests.
    #[doc(hidden)]
    pub fn forget_settings(&mut self) {
        self.tables = Tables::default();
    }

    /// The streams of MESSAGEs that are in memory: for tests.
    #[doc(hidden)]
    pub fn message_streams(&self) -> impl Iterator<Item = StreamName> + '_ {
        self.messages.live.keys().map(|id| StreamName::new(PagerEvent::CATEGORY, id.uuid()))
    }

    /// Everything that is known of calls and MESSAGEs, by name: for tests.
    #[doc(hidden)]
    pub fn shown(&self) -> BTreeMap<String, String> {
        let known = |leg| self.legs.contains_key(&leg) || self.messages.legs.contains_key(&leg);
        let mut shown = self.endpoint.shown(known);
        for (id, live) in self.messages.live.iter() {
            shown.insert(format!("message {id}"), self.endpoint.with_names(live.shown()));
        }
        for (id, live) in self.sessions.iter() {
            // That a path is closed is known when its counts are recorded, and where whom a REFER named is when it is called.
            let referred = live.session.referred.clone().map(|referred| Referred { onward: None, ..referred });
            let session = Session { paths: vec![], measures: vec![], referred, ..live.session.clone() };
            shown.insert(format!("session {id}"), self.endpoint.with_names(format!("{session:#?}")));
        }
        shown.extend(self.legs.iter().map(|(leg, id)| (format!("owner of {leg}"), id.to_string())));
        shown.insert("steps that are due".into(), format!("{:?}", self.transfers.due));
        shown
    }
}
