//! Which events a client wants of all streams.

use super::names::wire_name;
use crate::wire::streams::read_req::options::{FilterOptions, filter_options};
use domain::log::{CATEGORIES, Filter, Recorded};
use fancy_regex::{Regex, RegexBuilder};
use tonic::Status;

/// More prefixes than this in one filter are refused.
const MOST_PREFIXES: usize = 100;
/// Longer prefixes and expressions than this, in bytes, are refused.
const LONGEST: usize = 4_096;
/// Steps of a search with look-around or back-references: beyond that the expression costs too much.
const STEPS: usize = 10_000;
/// Bytes that an expression may take when it is compiled.
const COMPILED: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub struct Wanted {
    of: Of,
    prefixes: Vec<String>,
    expression: Option<Regex>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Stream,
    Kind,
}

impl Wanted {
    /// A filter as a client states it; `None` where it wants everything.
    ///
    /// # Errors
    /// It is too large, or its expression cannot be read.
    pub fn read(options: &FilterOptions) -> Result<Option<Self>, Status> {
        let (of, said) = match &options.filter {
            Some(filter_options::Filter::StreamIdentifier(said)) => (Of::Stream, said),
            Some(filter_options::Filter::EventType(said)) => (Of::Kind, said),
            None => return Ok(None),
        };
        let too_long = said.prefix.iter().chain([&said.regex]).any(|text| text.len() > LONGEST);
        if too_long || said.prefix.len() > MOST_PREFIXES {
            return Err(Status::invalid_argument("the filter is too large"));
        }
        // Prefixes go first, as the server's documentation has it.
        let expression =
            (said.prefix.is_empty() && !said.regex.is_empty()).then(|| compile(&said.regex)).transpose()?;
        if said.prefix.is_empty() && expression.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { of, prefixes: said.prefix.clone(), expression }))
    }

    /// Whether an event passes.
    ///
    /// # Errors
    /// The expression costs too much.
    pub fn admits(&self, recorded: &Recorded) -> Result<bool, Status> {
        match self.of {
            Of::Stream => self.matches(&wire_name(&recorded.stream)),
            Of::Kind => self.matches(&recorded.kind),
        }
    }

    fn matches(&self, text: &str) -> Result<bool, Status> {
        match &self.expression {
            Some(expression) => expression
                .is_match(text)
                .map_err(|_| Status::invalid_argument("the filter's expression costs too much: use prefixes")),
            None => Ok(self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))),
        }
    }

    /// What the log itself can leave out: whole categories, where that is what the prefixes say.
    pub fn narrowed(&self) -> Filter {
        let category =
            |prefix: &String| prefix.strip_suffix('-').filter(|name| CATEGORIES.contains(name)).map(Into::into);
        let categories: Option<Vec<String>> = self.prefixes.iter().map(category).collect();
        match (self.of, categories) {
            (Of::Stream, Some(categories)) => Filter { categories, kinds: Vec::new() },
            (Of::Stream | Of::Kind, _) => Filter::default(),
        }
    }
}

fn compile(text: &str) -> Result<Regex, Status> {
    let mut builder = RegexBuilder::new(text);
    builder.backtrack_limit(STEPS).delegate_size_limit(COMPILED).delegate_dfa_size_limit(COMPILED);
    builder.build().map_err(|_| Status::invalid_argument("the filter's expression cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::streams::read_req::options::filter_options::{Expression, Filter as Said};

    fn of_kind(regex: &str, prefixes: &[&str]) -> Result<Option<Wanted>, Status> {
        let prefix = prefixes.iter().map(ToString::to_string).collect();
        let filter = Some(Said::EventType(Expression { regex: regex.into(), prefix }));
        Wanted::read(&FilterOptions { filter, ..FilterOptions::default() })
    }

    #[test]
    fn prefixes_go_before_an_expression() {
        let wanted = of_kind("nothing", &["Session", "Leg"]).unwrap().unwrap();
        assert!(wanted.matches("LegInvited").unwrap() && !wanted.matches("ModeEntered").unwrap());
    }

    #[test]
    fn an_expression_may_look_ahead_as_one_official_client_does() {
        let wanted = of_kind(r"^(?!(\$.+$|PersistentConfig\d+$))", &[]).unwrap().unwrap();
        assert!(wanted.matches("Noted").unwrap() && wanted.matches("PersistentConfig").unwrap());
        assert!(!wanted.matches("$metadata").unwrap() && !wanted.matches("PersistentConfig1").unwrap());
    }

    #[test]
    fn an_expression_that_would_take_for_ever_is_given_up() {
        let wanted = of_kind(r"^(a|aa)+\1$", &[]).unwrap().unwrap();
        let text = format!("{}!", "a".repeat(60));
        assert_eq!(wanted.matches(&text).unwrap_err().code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn what_is_too_large_or_unreadable_is_refused() {
        for (regex, prefixes) in
            [("(", vec![]), (&*"a".repeat(5_000), vec![]), ("", vec!["x"; 101]), ("(a{1000}){1000}", vec![])]
        {
            assert_eq!(of_kind(regex, &prefixes).unwrap_err().code(), tonic::Code::InvalidArgument, "{regex:.20}");
        }
        assert!(of_kind("", &[]).unwrap().is_none());
    }

    #[test]
    fn the_log_leaves_out_whole_categories_alone() {
        let stream = |prefixes: &[&str]| {
            let prefix = prefixes.iter().map(ToString::to_string).collect();
            let filter = Some(Said::StreamIdentifier(Expression { regex: String::new(), prefix }));
            Wanted::read(&FilterOptions { filter, ..FilterOptions::default() }).unwrap().unwrap().narrowed()
        };
        assert_eq!(stream(&["session-", "trunk-"]).categories, ["session", "trunk"]);
        for prefixes in [&["session-0"][..], &["session"], &["session-", "orders-"]] {
            assert_eq!(stream(prefixes), Filter::default(), "{prefixes:?}");
        }
    }
}
