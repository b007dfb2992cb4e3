//! What happens to a number. Each event names the number and its account, so that tables need no second index.

use super::{PhoneNumber, Target};
use crate::decider::stored_events;
use crate::ids::{AccountId, KeyId, NumberId};
use serde::{Deserialize, Serialize};

/// An event of stream `number-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberEvent {
    /// It belongs to an account from now on.
    Claimed(NumberClaimed),
    /// Its calls go elsewhere.
    Retargeted(NumberRetargeted),
    /// It belongs to nobody; whoever claims it next starts a new stream.
    Released(NumberReleased),
}

/// An account claimed a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberClaimed {
    /// Id of this claim.
    pub id: NumberId,
    /// The number.
    pub number: PhoneNumber,
    /// Whose it is.
    pub account: AccountId,
    /// Where its calls go.
    pub target: Target,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A number's calls go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberRetargeted {
    /// Id of the claim.
    pub id: NumberId,
    /// The number.
    pub number: PhoneNumber,
    /// Whose it is.
    pub account: AccountId,
    /// Where its calls go from now on.
    pub target: Target,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

/// A number was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberReleased {
    /// Id of the claim.
    pub id: NumberId,
    /// The number.
    pub number: PhoneNumber,
    /// Whose it was.
    pub account: AccountId,
    /// The key that asked; none for the exchange itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<KeyId>,
}

stored_events!(NumberEvent {
    Claimed(NumberClaimed) = "NumberClaimed",
    Retargeted(NumberRetargeted) = "NumberRetargeted",
    Released(NumberReleased) = "NumberReleased",
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::stored_as;

    #[test]
    fn every_event_is_stored_in_its_golden_form() {
        let (id, account) = (NumberId::from_bits(1), AccountId::from_bits(2));
        let number: PhoneNumber = "+15550000001".parse().unwrap();
        let target = Target::Sip("sip:pbx@127.0.0.1:5090".parse().unwrap());
        stored_as(
            &NumberEvent::Claimed(NumberClaimed {
                id,
                number,
                account,
                target: target.clone(),
                by: Some(KeyId::from_bits(3)),
            }),
            "NumberClaimed",
            r#"{"id":"PN00000000000000000000000000000001","number":"+15550000001","account":"AC00000000000000000000000000000002","target":{"sip":"sip:pbx@127.0.0.1:5090"},"by":"SK00000000000000000000000000000003"}"#,
        );
        stored_as(
            &NumberEvent::Retargeted(NumberRetargeted { id, number, account, target, by: None }),
            "NumberRetargeted",
            r#"{"id":"PN00000000000000000000000000000001","number":"+15550000001","account":"AC00000000000000000000000000000002","target":{"sip":"sip:pbx@127.0.0.1:5090"}}"#,
        );
        stored_as(
            &NumberEvent::Released(NumberReleased { id, number, account, by: None }),
            "NumberReleased",
            r#"{"id":"PN00000000000000000000000000000001","number":"+15550000001","account":"AC00000000000000000000000000000002"}"#,
        );
    }

    #[test]
    fn an_event_with_a_field_that_this_build_does_not_know_is_not_read() {
        use crate::decider::StoredEvent;
        let data = br#"{"id":"PN00000000000000000000000000000001","number":"112","account":"AC00000000000000000000000000000002","why":"x"}"#;
        assert!(NumberEvent::decode("NumberReleased", 1, data).is_err());
        assert!(NumberEvent::decode("NumberForgotten", 1, b"{}").is_err());
    }
}
