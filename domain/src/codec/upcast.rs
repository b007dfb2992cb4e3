//! Old shapes of stored events. What is stored never changes: where a shape does, its type gets the next version, and an
//! upcaster makes what the version before wrote into what this one reads. Types keep their names, and an upcaster leads
//! from a version to the next and nowhere else, so a chain can have no cycle.

use serde_json::{Map, Value};

/// A change of what stands clear. An error says what is missing or wrong.
pub type ChangeClear = fn(&mut Map<String, Value>) -> Result<(), &'static str>;

/// A change of what is sealed.
pub type ChangeSealed = fn(Vec<u8>) -> Result<Vec<u8>, &'static str>;

/// Makes an event of one version into one of the next.
#[derive(Debug, Clone, Copy)]
pub struct Upcaster {
    /// Stable type name.
    pub kind: &'static str,
    /// The version that it reads; what it makes is of the version after.
    pub from: u16,
    /// Changes what stands clear. The member `sealed` is out of its sight.
    pub clear: ChangeClear,
    /// Changes what was sealed, in the form it had before it was; `None` keeps it.
    pub sealed: Option<ChangeSealed>,
}

/// Every upcaster of session events. The version that a type has now stands in `codec::session`.
pub const UPCASTERS: &[Upcaster] = &[];

/// Those of streams of which no event's shape has changed yet.
pub const NONE: &[Upcaster] = &[];

/// What is wrong with a table of upcasters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainFault {
    /// A type that this build does not know.
    UnknownKind(&'static str),
    /// Two upcasters read the same version of a type.
    Duplicate(&'static str, u16),
    /// Nothing reads this version of a type, and the build writes a later one.
    Gap(&'static str, u16),
    /// An upcaster reads this version, which is the one that the build writes, or a later one, or none (0).
    Beyond(&'static str, u16),
}

/// What is wrong with a table, where types have these versions now. It is asked when the build is compiled.
pub const fn fault(table: &[Upcaster], current: &[(&'static str, u16)]) -> Option<ChainFault> {
    let mut index = 0;
    while index < table.len() {
        let Upcaster { kind, from, .. } = table[index];
        match version_in(current, kind) {
            None => return Some(ChainFault::UnknownKind(kind)),
            Some(version) if from == 0 || from >= version => return Some(ChainFault::Beyond(kind, from)),
            Some(_) => {}
        }
        if readers(table, kind, from) > 1 {
            return Some(ChainFault::Duplicate(kind, from));
        }
        index += 1;
    }
    let mut index = 0;
    while index < current.len() {
        let (kind, version) = current[index];
        let mut from = 1;
        while from < version {
            if readers(table, kind, from) == 0 {
                return Some(ChainFault::Gap(kind, from));
            }
            from += 1;
        }
        index += 1;
    }
    None
}

/// The version that a type has now.
const fn version_in(current: &[(&'static str, u16)], kind: &str) -> Option<u16> {
    let mut index = 0;
    while index < current.len() {
        if same(current[index].0, kind) {
            return Some(current[index].1);
        }
        index += 1;
    }
    None
}

/// How many upcasters read this version of a type.
const fn readers(table: &[Upcaster], kind: &str, from: u16) -> usize {
    let (mut index, mut found) = (0, 0);
    while index < table.len() {
        if table[index].from == from && same(table[index].kind, kind) {
            found += 1;
        }
        index += 1;
    }
    found
}

/// `==` of texts, which is not yet to be had when compiling.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The upcasters that lead from a version of a type to another, in order; `None` where they do not.
pub(super) fn chain<'a>(table: &'a [Upcaster], kind: &str, from: u16, to: u16) -> Option<Vec<&'a Upcaster>> {
    let step = |version| table.iter().find(|upcaster| upcaster.from == version && upcaster.kind == kind);
    (from < to).then(|| (from..to).map(step).collect())?
}

/// What stands clear, after every step of a chain. The sealed member goes through as it is.
pub(super) fn lift(chain: &[&Upcaster], data: &[u8]) -> Result<Vec<u8>, String> {
    let mut clear: Map<String, Value> = serde_json::from_slice(data).map_err(|error| error.to_string())?;
    let sealed = clear.remove(SEALED);
    for step in chain {
        (step.clear)(&mut clear).map_err(|why| not_lifted(step, why))?;
    }
    if let Some(sealed) = sealed {
        clear.insert(SEALED.to_owned(), sealed);
    }
    serde_json::to_vec(&clear).map_err(|error| error.to_string())
}

/// What was sealed, after every step of a chain.
pub(super) fn lift_sealed(chain: &[&Upcaster], plain: Vec<u8>) -> Result<Vec<u8>, String> {
    let steps = chain.iter().filter_map(|step| Some((step, step.sealed?)));
    steps.into_iter().try_fold(plain, |plain, (step, change)| change(plain).map_err(|why| not_lifted(step, why)))
}

fn not_lifted(step: &Upcaster, why: &str) -> String {
    format!("version {} does not become version {}: {why}", step.from, step.from.saturating_add(1))
}

/// The member of an event that holds its sealed part.
const SEALED: &str = "sealed";

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(kind: &'static str, from: u16) -> Upcaster {
        Upcaster { kind, from, clear: |_| Ok(()), sealed: None }
    }

    const NOW: &[(&str, u16)] = &[("Rung", 3), ("Ended", 1)];

    #[test]
    fn a_chain_without_gaps_from_version_1_to_that_of_the_build_is_whole() {
        assert_eq!(fault(&[step("Rung", 2), step("Rung", 1)], NOW), None);
        assert_eq!(fault(&[], &[("Ended", 1)]), None);
    }

    #[test]
    fn a_gap_in_a_chain_is_found() {
        assert_eq!(fault(&[step("Rung", 2)], NOW), Some(ChainFault::Gap("Rung", 1)));
        assert_eq!(fault(&[step("Rung", 1)], NOW), Some(ChainFault::Gap("Rung", 2)));
    }

    #[test]
    fn two_upcasters_of_one_version_are_found() {
        let table = [step("Rung", 1), step("Rung", 2), step("Rung", 2)];
        assert_eq!(fault(&table, NOW), Some(ChainFault::Duplicate("Rung", 2)));
    }

    #[test]
    fn an_upcaster_of_no_type_or_of_no_earlier_version_is_found() {
        let whole = [step("Rung", 1), step("Rung", 2)];
        let with = |one| [whole[0], whole[1], one];
        assert_eq!(fault(&with(step("Rang", 1)), NOW), Some(ChainFault::UnknownKind("Rang")));
        assert_eq!(fault(&with(step("Rung", 3)), NOW), Some(ChainFault::Beyond("Rung", 3)));
        assert_eq!(fault(&with(step("Ended", 1)), NOW), Some(ChainFault::Beyond("Ended", 1)));
        assert_eq!(fault(&with(step("Rung", 0)), NOW), Some(ChainFault::Beyond("Rung", 0)));
    }

    #[test]
    fn steps_are_taken_in_order_and_the_sealed_member_goes_through() {
        let first = Upcaster {
            clear: |clear| {
                let status = clear.remove("code").ok_or("it has no code")?;
                clear.insert("status".into(), status);
                Ok(())
            },
            ..step("Rung", 1)
        };
        let second = Upcaster {
            clear: |clear| {
                let status = clear.get("status").and_then(Value::as_u64).ok_or("it has no status")?;
                clear.insert("early".into(), (status == 183).into());
                Ok(())
            },
            ..step("Rung", 2)
        };
        let table = [second, first];
        let steps = chain(&table, "Rung", 1, 3).unwrap();
        let lifted = lift(&steps, br#"{"code":183,"sealed":"AAAA"}"#).unwrap();
        assert_eq!(String::from_utf8(lifted).unwrap(), r#"{"early":true,"sealed":"AAAA","status":183}"#);
        let wrong = lift(&steps, br#"{"sealed":"AAAA"}"#);
        assert_eq!(wrong.unwrap_err(), "version 1 does not become version 2: it has no code");
    }

    #[test]
    fn no_chain_leads_back_to_where_the_build_is_or_over_a_gap() {
        let table = [step("Rung", 2)];
        assert!(chain(&table, "Rung", 2, 3).is_some());
        for (from, to) in [(1, 3), (3, 3), (4, 3), (u16::MAX, 3)] {
            assert!(chain(&table, "Rung", from, to).is_none(), "{from} to {to}");
        }
        assert!(chain(&table, "Ended", 2, 3).is_none());
    }
}
