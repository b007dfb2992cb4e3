//! Why a REGISTER is refused.

use crate::sip::endpoint::SessionHeaders;
use std::borrow::Cow;

/// A rule said no; the same request again gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// 400: it breaks a rule of the grammar, or contradicts itself. The text holds no more of the message than names.
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    /// 404: To is no address that the Request-URI's domain can have (RFC 3261 §10.3 step 5).
    #[error("To names no user of the domain in the Request-URI")]
    NotFound,
    /// 420: it requires what we do not know; the option tags.
    #[error("unknown option tags are required: {0}")]
    BadExtension(Box<str>),
    /// 423: it asks for less than the domain allows (RFC 3261 §10.3 step 7).
    #[error("the registration would be shorter than {min} s")]
    TooBrief {
        /// The shortest, in seconds.
        min: u32,
    },
    /// 403: the user would have more bindings than the domain allows.
    #[error("there would be more than {most} bindings")]
    TooMany {
        /// The most.
        most: u16,
    },
    /// 403: the account would have more bindings than it may.
    #[error("the account has as many bindings as it may")]
    AccountFull,
    /// 403: the contact is the address of record itself or its GRUU: calls would go round for ever.
    #[error("the contact is the address of record itself")]
    Loop,
    /// 500: it is older than what the same device said last (RFC 3261 §10.3 step 7).
    #[error("CSeq is not higher than that of the last REGISTER with this Call-ID")]
    OutOfOrder,
    /// 439: the device wants its flow kept, and a proxy between cannot (RFC 5626 §6).
    #[error("the first hop does not support outbound")]
    FirstHopLacksOutbound,
}

impl Rejection {
    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooMany { .. } | Self::AccountFull | Self::Loop => 403,
            Self::NotFound => 404,
            Self::BadExtension(_) => 420,
            Self::TooBrief { .. } => 423,
            Self::FirstHopLacksOutbound => 439,
            Self::OutOfOrder => 500,
        }
    }

    /// The headers that say what would do: Min-Expires, Unsupported.
    pub fn headers(&self) -> SessionHeaders {
        let header: Option<(&str, Box<str>)> = match self {
            Self::TooBrief { min } => Some(("Min-Expires", min.to_string().into())),
            Self::BadExtension(tags) => Some(("Unsupported", tags.clone())),
            Self::Malformed(_)
            | Self::NotFound
            | Self::TooMany { .. }
            | Self::AccountFull
            | Self::Loop
            | Self::OutOfOrder
            | Self::FirstHopLacksOutbound => None,
        };
        SessionHeaders(header.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}
