//! Replaces (RFC 3891 §6.1): the dialog that the call of an INVITE takes the place of.

use super::numbers::call_id;
use super::{HeaderName, Malformed, Message, Params, chars};

/// The part that is named in faults.
const PART: &str = "Replaces";

/// Names a dialog as the receiver of the header sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// Its Call-ID.
    pub call_id: &'a str,
    /// The receiver's own tag.
    pub to_tag: &'a str,
    /// The tag of the receiver's peer.
    pub from_tag: &'a str,
    /// Only while the dialog is early.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads `call-id;to-tag=…;from-tag=…`, in any order, with perhaps `early-only`.
    ///
    /// # Errors
    /// It breaks the grammar, or a tag is missing, given twice, or no token.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let text = chars::trim(text);
        let end = text.find(';').ok_or(Malformed::new(PART, "has no tags"))?;
        let (id, rest) = text.split_at(end);
        let id = call_id(chars::trim(id)).map_err(|_| Malformed::new(PART, "the Call-ID is no word"))?;
        let params = Params::parse(rest, PART, "to-tag")?;
        Params::parse(rest, PART, "from-tag")?;
        let tag = |name| params.value(name).ok_or(Malformed::new(PART, "a tag is missing"));
        let (to_tag, from_tag) = (tag("to-tag")?, tag("from-tag")?);
        if params.iter().filter(|param| param.name.eq_ignore_ascii_case("early-only")).count() > 1 {
            return Err(Malformed::new(PART, "early-only stands twice"));
        }
        Ok(Self { call_id: id, to_tag, from_tag, early_only: params.has("early-only") })
    }

    /// The one of a request; nothing where it has none.
    ///
    /// # Errors
    /// As [`Replaces::parse`].
    pub fn of(request: &'a Message) -> Result<Option<Self>, Malformed> {
        request.header(HeaderName::Replaces).map(Self::parse).transpose()
    }

    /// Whether the peer's tag is this one: 0 stands for a peer of RFC 2543 that has none (RFC 3891 §6.1).
    pub fn is_from(&self, tag: Option<&str>) -> bool {
        match tag {
            Some(tag) => tag == self.from_tag,
            None => self.from_tag == "0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_by_call_id_and_both_tags_in_any_order() {
        let read = Replaces::parse(" 425928@h.example ; from-tag=a;TO-TAG=7743;x=y ;early-only").unwrap();
        let named = Replaces { call_id: "425928@h.example", to_tag: "7743", from_tag: "a", early_only: true };
        assert_eq!(read, named);
        assert!(!Replaces::parse("1;to-tag=2;from-tag=3").unwrap().early_only);
        assert_eq!(Replaces::parse("1;to-tag=2;from-tag=\u{33}").unwrap().from_tag, "3");
    }

    #[test]
    fn what_names_no_dialog_is_refused() {
        for text in [
            "",
            "1",
            "1;to-tag=2",
            "1;from-tag=2",
            ";to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
            "1;to-tag=1;from-tag=2;to-tag=1",
            "1;to-tag=1;from-tag=2;from-tag=3",
            "1;to-tag;from-tag=2",
            "1;to-tag=\"1\";from-tag=2",
            "1;to-tag=1;from-tag=2;early-only;early-only",
            "1;to-tag=1;from-tag=2, 2;to-tag=1;from-tag=2",
            "1;to-tag=1;from-tag=2 x",
        ] {
            assert!(Replaces::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_peer_without_tag_is_named_by_zero() {
        let named = |from_tag| Replaces { call_id: "1", to_tag: "2", from_tag, early_only: false };
        assert!(named("0").is_from(None) && named("a").is_from(Some("a")));
        assert!(!named("a").is_from(None) && !named("a").is_from(Some("b")));
    }
}
