//! Globally routable URIs of one device of a user (RFC 5627). Public ones only: a temporary one would need a secret of
//! its own and hides what our own domain does not show anyway.

use super::Aor;
use crate::sip::wire::{Scheme, Uri};
use std::fmt::Write as _;

/// `sip:user@domain;gr=instance`: the address of record with the instance id as its `gr` parameter (§3.1).
pub fn public_gruu(aor: &Aor, instance: &str) -> String {
    let mut uri = format!("sip:{aor};gr=");
    for byte in instance.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// The instance id that a GRUU of ours names; `None` for a URI that is none.
pub fn instance_of_gruu(uri: &Uri<'_>) -> Option<String> {
    if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return None;
    }
    let value = uri.param("gr").filter(|value| !value.is_empty())?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit =
                    |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next())? << 4 | digit(rest.next())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gruu_names_the_instance_that_it_was_made_of() {
        let aor: Aor = "callee@example.com".parse().unwrap();
        let uuid = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        let gruu = public_gruu(&aor, uuid);
        assert_eq!(gruu, format!("sip:callee@example.com;gr={uuid}"));
        for instance in [uuid, "urn:x?y=z;%20", "é"] {
            let gruu = public_gruu(&aor, instance);
            assert_eq!(instance_of_gruu(&Uri::parse(&gruu).unwrap()).as_deref(), Some(instance));
        }
        assert_eq!(instance_of_gruu(&Uri::parse("sip:callee@example.com;gr").unwrap()), None);
        assert_eq!(instance_of_gruu(&Uri::parse("sip:callee@example.com").unwrap()), None);
    }
}
