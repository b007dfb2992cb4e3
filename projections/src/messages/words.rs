//! Events of MESSAGEs in words.

use super::story::TargetLine;
use crate::names::name_of;
use crate::timelines::{few_letters, route_chosen, route_refused};
use domain::ids::{CredentialId, LegId, TrunkId};
use domain::pager::{MessageOffered, PagerEvent};

/// What happened, in a sentence; of messages on the wire the method.
pub(super) fn say(event: &PagerEvent) -> String {
    match event {
        PagerEvent::MessageHeard(message) | PagerEvent::MessageSent(message) => message.method.to_string(),
        PagerEvent::MessageOffered(offered) => {
            format!("message offered by {} on the {} edge", sender(offered), name_of(&offered.edge))
        }
        PagerEvent::MessageRouted(route) => route_chosen(route),
        PagerEvent::MessageUnroutable(route) => route_refused(route, "sender"),
        PagerEvent::MessageEnded(ended) => {
            let by = ended.target.map_or_else(String::new, |target| format!(": {} took it", target_name(target)));
            format!("the sender is told {}{by}", ended.status)
        }
    }
}

/// `trunk TK…00b0`, `user CR…00c1`.
fn sender(offered: &MessageOffered) -> String {
    match (offered.trunk, offered.user) {
        (Some(trunk), _) => format!("trunk {}", few_letters(TrunkId::PREFIX, trunk.bits())),
        (None, Some(user)) => format!("user {}", few_letters(CredentialId::PREFIX, user.bits())),
        (None, None) => "a user known by address".to_owned(),
    }
}

/// `target 1`: people count from one.
pub(super) fn target_name(target: u8) -> String {
    format!("target {}", u16::from(target) + 1)
}

/// The name of a leg; its id where nothing tells what it is.
pub(super) fn role(sender: Option<LegId>, targets: &[TargetLine], leg: LegId) -> String {
    if sender == Some(leg) {
        return "sender".to_owned();
    }
    let target = targets.iter().find(|line| line.leg == leg);
    target.map_or_else(|| leg.to_string(), |line| target_name(line.target))
}
