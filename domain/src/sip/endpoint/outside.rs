//! Requests of our own outside any dialog: REGISTER, OPTIONS, MESSAGE. Each is a leg of its own, whose id is the tag in
//! From, until [`Fact::Forgotten`]; what comes of it is told once, as [`Fact::Concluded`]. A challenge is answered as
//! within a dialog.

use super::message::RequestParts;
use super::{Body, Endpoint, Fact, FlowUser, Login, SessionHeaders};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Dialog, DialogState, Ends, Role};
use crate::sip::timer::TransactionId;
use crate::sip::wire::{Message, Method};
use crate::time::Moment;

/// A request outside any dialog. Any method but INVITE, ACK and CANCEL.
#[derive(Debug, Clone)]
pub struct OutsidePlan {
    /// Names it: a fresh one each.
    pub leg: LegId,
    /// Its method.
    pub method: Method,
    /// Request URI.
    pub uri: Box<str>,
    /// From value, without a tag.
    pub from: Box<str>,
    /// To value.
    pub to: Box<str>,
    /// Call-ID: the same for requests of which one follows on the other (RFC 3261 §10.2.4).
    pub call_id: Box<str>,
    /// CSeq number, above that of the request before with this Call-ID. Where it is challenged it goes again with the next.
    pub cseq: u32,
    /// Path.
    pub flow: Flow,
    /// Route values.
    pub routes: Vec<Box<str>>,
    /// Max-Forwards.
    pub max_forwards: u8,
    /// More headers, a Contact among them where it has one.
    pub headers: SessionHeaders,
    /// The body.
    pub body: Option<Body>,
    /// What we answer with where the peer asks who we are; that of the request before knows the nonces.
    pub login: Option<Box<Login>>,
}

/// What came of a request outside any dialog.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its final response; none where nothing came within 64·T1, or it could not be sent.
    pub response: Option<Message>,
    /// CSeq number of the last request that went.
    pub cseq: u32,
    /// What the next request to this peer answers with.
    pub login: Option<Box<Login>>,
}

impl Endpoint {
    /// Sends a request outside any dialog.
    pub fn ask(&mut self, now: Moment, mint: &mut dyn Mint, plan: OutsidePlan) {
        let OutsidePlan { leg, method, cseq, flow, max_forwards, headers, body, .. } = &plan;
        let (leg, cseq, flow, method) = (*leg, *cseq, *flow, method.clone());
        self.flows.join(flow, FlowUser::Leg(leg));
        self.dialogs.insert(leg, Box::new(pseudo_dialog(&plan)));
        let branch = self.dialogs.get_mut(&leg).map_or(1, |dialog| dialog.next_branch());
        let parts = RequestParts { method, branch, cseq, max_forwards: *max_forwards, headers, body: body.as_ref() };
        match self.begin_client(now, mint, leg, &parts) {
            Some(id) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.outside = true;
                }
            }
            None => {
                self.concluded(leg, cseq, None);
                self.forget_if_over(leg);
            }
        }
    }

    /// A request outside any dialog has its final response, or will have none.
    pub(super) fn conclude(&mut self, id: TransactionId, response: Option<Message>) {
        let Some(client) = self.clients.get(&id).filter(|client| client.outside && !client.superseded) else { return };
        let (leg, cseq) = (client.key.leg, client.cseq);
        self.concluded(leg, cseq, response);
    }

    fn concluded(&mut self, leg: LegId, cseq: u32, response: Option<Message>) {
        let login = self.dialogs.get_mut(&leg).and_then(|dialog| dialog.login.take());
        self.learned(leg, Fact::Concluded(Box::new(Outcome { response, cseq, login })));
    }
}

/// What the request is written from. It is over from the beginning, so that nothing from outside ever finds it, and it is
/// forgotten with its last transaction.
fn pseudo_dialog(plan: &OutsidePlan) -> Dialog {
    let ends = Ends {
        call_id: plan.call_id.clone(),
        local: plan.from.clone(),
        remote: plan.to.clone(),
        target: plan.uri.clone(),
    };
    Dialog {
        state: DialogState::Over,
        routes: plan.routes.clone(),
        local_cseq: plan.cseq,
        login: plan.login.clone(),
        ..Dialog::new(plan.leg, Role::Uac, plan.flow, ends)
    }
}
