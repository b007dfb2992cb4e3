//! Texts of enums as the log spells them, so that every reader sees one spelling.

use serde::Serialize;

/// The serde name of an enum's unit variant, e.g. `no-answer`; empty for anything else.
pub fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
