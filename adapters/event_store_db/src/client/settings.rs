//! Where the store is, and who we are there.

use kurrentdb::{ClientSettings, Credentials, NodePreference};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Milliseconds between two attempts to find the store, where the connection string says nothing: the client crate also
/// waits for so long before its first one.
const DISCOVERY_MS: u32 = 100;

/// A connection string: `esdb://user:password@host:2113?tls=true`, or with several hosts, or `esdb+discover://…`. User and
/// password are percent-encoded in it. Its texts never show them.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// Without user and password.
    plain: String,
    user: Option<(String, String)>,
}

/// Why a text is no connection string. It is not repeated: a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoConnectionString {
    /// It is of no form that is known.
    #[error(
        "this is no connection string of an EventStoreDB: write esdb://host:2113?tls=true, with user:password@ before the host where the store asks for them, percent-encoded"
    )]
    Malformed,
    /// It asks for a node that does not lead: what that one has may be older than what was answered.
    #[error(
        "this connection string asks for a node of the store that does not lead: leave out nodePreference, or write nodePreference=leader"
    )]
    NotTheLeader,
}

impl FromStr for ConnectionString {
    type Err = NoConnectionString;

    fn from_str(text: &str) -> Result<Self, NoConnectionString> {
        let (scheme, rest) = text.split_once("://").ok_or(NoConnectionString::Malformed)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(read_user(user)?), hosts),
            None => (None, authority),
        };
        if hosts.is_empty() {
            return Err(NoConnectionString::Malformed);
        }
        let mut plain = format!("{scheme}://{hosts}{tail}");
        if !tail.to_ascii_lowercase().contains("discoveryinterval=") {
            plain.push(if tail.contains('?') { '&' } else { '?' });
            plain.push_str(&format!("discoveryInterval={DISCOVERY_MS}"));
        }
        let read = Self { plain, user };
        match read.client()?.node_preference() {
            NodePreference::Leader => Ok(read),
            NodePreference::Follower | NodePreference::Random | NodePreference::ReadOnlyReplica => {
                Err(NoConnectionString::NotTheLeader)
            }
        }
    }
}

impl ConnectionString {
    /// As the client crate takes it. It would send user and password as they stand in the string, encoded, so that they are
    /// given with each call instead.
    pub(super) fn client(&self) -> Result<ClientSettings, NoConnectionString> {
        self.plain.parse().map_err(|_| NoConnectionString::Malformed)
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let (user, password) = self.user.clone()?;
        Some(Credentials::new(user, password))
    }
}

impl ConnectionString {
    /// With a password that stands elsewhere, for the user that is named here.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        let user = self.user.map(|(user, _)| (user, password.to_owned()));
        Self { user, ..self }
    }
}

/// Masked.
impl Serialize for ConnectionString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConnectionString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Without the password.
impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.user, self.plain.split_once("://")) {
            (Some((user, _)), Some((scheme, rest))) => write!(f, "{scheme}://{user}:***@{rest}"),
            _ => f.write_str(&self.plain),
        }
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn read_user(text: &str) -> Result<(String, String), NoConnectionString> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok((decode(user)?, decode(password)?))
}

fn decode(text: &str) -> Result<String, NoConnectionString> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(NoConnectionString::Malformed)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| NoConnectionString::Malformed)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| NoConnectionString::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_decoded_and_never_shown() {
        let read: ConnectionString = "esdb://admin:p%40ss%3Aword@db.example.org:2113?tls=true".parse().unwrap();
        assert_eq!(read.user, Some(("admin".into(), "p@ss:word".into())));
        assert_eq!(read.to_string(), "esdb://admin:***@db.example.org:2113?tls=true&discoveryInterval=100");
        assert!(!format!("{read:?}").contains("ss"));
        assert!(read.client().unwrap().default_authenticated_user().is_none());
    }

    #[test]
    fn all_forms_of_the_protocol_are_read() {
        for text in [
            "esdb://a",
            "kurrentdb://a:1?tls=false",
            "esdb+discover://a",
            "esdb://u:p@a:1,b:2,c:3?x=1&discoveryInterval=5",
        ] {
            assert!(text.parse::<ConnectionString>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_without_being_repeated() {
        for text in ["", "esdb://", "http://a", "a:b", "esdb://u:%zz@a", "esdb://u:p@", "esdb://a?tls=perhaps"] {
            assert_eq!(text.parse::<ConnectionString>(), Err(NoConnectionString::Malformed), "{text}");
        }
    }

    #[test]
    fn only_the_node_that_leads_is_asked() {
        let read = |preference: &str| format!("esdb://a,b?nodePreference={preference}").parse::<ConnectionString>();
        assert!(read("leader").is_ok() && read("Leader").is_ok());
        for other in ["follower", "random", "readOnlyReplica"] {
            assert_eq!(read(other), Err(NoConnectionString::NotTheLeader), "{other}");
        }
    }
}
