//! `/metrics` in Prometheus' text format. The wiring registers what each part of the exchange can tell.

use std::fmt::Write;
use std::sync::{PoisonError, RwLock};

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process restarts.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Something that tells numbers when asked. It must not block for long: it runs in a request.
pub type Teller = Box<dyn Fn(&mut Exposition) + Send + Sync>;

/// Everything that tells numbers.
#[derive(Default)]
pub struct Metrics {
    tellers: RwLock<Vec<Teller>>,
}

impl Metrics {
    /// Adds something that tells numbers; all of a family (name) should come from one teller.
    pub fn register(&self, teller: impl Fn(&mut Exposition) + Send + Sync + 'static) {
        self.tellers.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(teller));
    }

    /// All numbers as they are now.
    pub fn expose(&self) -> String {
        let mut exposition = Exposition::default();
        for teller in self.tellers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            teller(&mut exposition);
        }
        exposition.into_text()
    }
}

/// The text in the making.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// A family with one sample and no labels.
    pub fn single(&mut self, kind: Kind, name: &str, help: &str, value: f64) {
        self.family(kind, name, help).sample(&[], value);
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Begins a family. `name` in the manner of `strowger_calls_total`, with its unit.
    pub fn family<'a>(&'a mut self, kind: Kind, name: &'a str, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.text, name }
    }
}

/// A family whose samples follow.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_with_help_type_and_escaped_labels() {
        let metrics = Metrics::default();
        metrics.register(|to| to.single(Kind::Gauge, "strowger_legs", "Legs now.", 3.0));
        metrics.register(|to| {
            let mut calls = to.family(Kind::Counter, "strowger_calls_total", "Calls.");
            calls.sample(&[("edge", "carrier"), ("why", "a\"b\\c\n")], 1.5).sample(&[("edge", "public")], 0.0);
        });
        let expected = r#"# HELP strowger_legs Legs now.
# TYPE strowger_legs gauge
strowger_legs 3
# HELP strowger_calls_total Calls.
# TYPE strowger_calls_total counter
strowger_calls_total{edge="carrier",why="a\"b\\c\n"} 1.5
strowger_calls_total{edge="public"} 0
"#;
        assert_eq!(metrics.expose(), expected);
    }
}
