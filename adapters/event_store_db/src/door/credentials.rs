//! Who may come in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use subtle::ConstantTimeEq as _;
use tonic::codegen::http::HeaderMap;

/// Longer headers than this are no credentials.
const LONGEST: usize = 1_024;

/// A user and a password. Neither is ever shown.
#[derive(Clone)]
pub struct Credentials {
    expected: String,
}

impl Credentials {
    /// What clients have to send.
    pub fn new(user: &str, password: &str) -> Self {
        Self { expected: format!("{user}:{password}") }
    }

    /// Whether a call carries them (basic authentication, RFC 7617).
    pub fn are_in(&self, headers: &HeaderMap) -> bool {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok());
        let Some((scheme, encoded)) = header.filter(|text| text.len() <= LONGEST).and_then(|text| text.split_once(' '))
        else {
            return false;
        };
        let Ok(given) = STANDARD.decode(encoded.trim()) else { return false };
        scheme.eq_ignore_ascii_case("basic") && given.ct_eq(self.expected.as_bytes()).into()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(masked)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(header: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", header.parse().unwrap());
        Credentials::new("auditor", "p:w").are_in(&headers)
    }

    #[test]
    fn only_the_right_ones_are_let_in() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert!(admits(&basic("auditor:p:w")) && admits(&basic("auditor:p:w").replace("Basic", "basic")));
        for wrong in ["auditor:p", "auditor:p:w ", "", "Auditor:p:w"] {
            assert!(!admits(&basic(wrong)), "{wrong}");
        }
        assert!(!admits("Bearer abc") && !admits("Basic ***") && !admits("Basic"));
        assert!(!Credentials::new("a", "b").are_in(&HeaderMap::new()));
    }

    #[test]
    fn they_are_not_shown() {
        assert!(!format!("{:?}", Credentials::new("auditor", "secret")).contains("secret"));
    }
}
