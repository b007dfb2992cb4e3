//! What is wrong with a configuration, in the operator's words.

use figment::error::Kind;
use std::path::PathBuf;

/// What is wrong with a configuration. Each says where and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("there is no configuration file {0}: check the path, or leave --config out to use the defaults")]
    Missing(PathBuf),
    /// The file or an environment variable cannot be read as a configuration.
    #[error("the configuration cannot be read: {}", told(.0))]
    Unreadable(Box<figment::Error>),
    /// A value is out of range.
    #[error("{setting}: {what}")]
    Value {
        /// The setting's path.
        setting: &'static str,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// A setting whose value is out of range.
pub(super) fn wrong<T>(setting: &'static str, what: &str) -> Result<T, ConfigError> {
    Err(ConfigError::Value { setting, what: what.to_owned() })
}

/// Each thing that is wrong on a line: the setting, what is the matter, and where it stands.
fn told(error: &figment::Error) -> String {
    let lines: Vec<_> = error.clone().into_iter().map(|error| line(&error)).collect();
    lines.join("\n")
}

fn line(error: &figment::Error) -> String {
    let mut line = matter(&error.kind);
    if !error.path.is_empty() {
        line = format!("{}: {line}", error.path.join("."));
    }
    if let Some(metadata) = &error.metadata {
        let source = metadata.source.as_ref().map(|source| format!("{source} ")).unwrap_or_default();
        line.push_str(&format!(" (in {source}{})", metadata.name));
    }
    line
}

fn matter(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(found, known) => format!("there is no setting `{found}` here; there are {}", list(known)),
        Kind::UnknownVariant(found, known) => format!("`{found}` is none of {}", list(known)),
        Kind::Message(text) if text.contains("socket address") => {
            format!("{text}: write an address and a port, for example 127.0.0.1:8080")
        }
        Kind::Message(text) if text.contains("IP address") => format!("{text}: write for example 192.0.2.1"),
        // Figment has its own words for these, and they do.
        other => other.to_string(),
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
