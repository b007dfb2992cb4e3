//! The ladder as SVG: plain shapes and escaped text, no script, no reference to anything outside.

use super::shape::{About, Ladder, Shape, fit, wrap};
use std::fmt::Write;

const MARGIN: usize = 24;
const FIRST: usize = 110;
const GAP: usize = 300;
const ROW: usize = 30;
const NOTE_LINE: usize = 17;
/// Width of a character of the note's font, in hundredths of a pixel, generous.
const NOTE_CHAR: usize = 650;
const TITLE_LINE: usize = 20;

pub(super) fn draw(ladder: &Ladder) -> String {
    let lines: Vec<usize> = (0..ladder.columns.len()).map(|column| FIRST + column * GAP).collect();
    let right = lines.last().copied().unwrap_or(FIRST);
    let width = (right + 90).max(760);
    let mut picture = Picture { lines, body: String::new(), y: MARGIN };
    picture.title(&ladder.title);
    let top = picture.y + 34;
    picture.y = top + 22;
    let mut time = String::new();
    for row in &ladder.rows {
        let now = format!("{:.3}", row.at_ms / 1_000.0);
        let shown = (now != time).then_some(now.as_str());
        match &row.shape {
            Shape::Arrow { from, to, label, repeated } => picture.arrow(shown, (*from, *to), label, *repeated),
            Shape::Note { text, about } => picture.note(shown, text, *about),
        }
        time = now;
    }
    let bottom = picture.y;
    let lifelines = picture.lifelines(&ladder.columns, top, bottom);
    let height = bottom + MARGIN;
    let body = &picture.body;
    format!("{}{lifelines}{body}</svg>\n", head(width, height))
}

fn head(width: usize, height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
         orient=\"auto\"><path d=\"M0,0 L10,5 L0,10 z\" fill=\"#1f2937\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    )
}

struct Picture {
    lines: Vec<usize>,
    body: String,
    /// Where the next row begins.
    y: usize,
}

impl Picture {
    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    fn title(&mut self, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            let weight = if index == 1 { " font-weight=\"bold\" font-size=\"15\"" } else { "" };
            let (y, text) = (self.y + 12, escape(&fit(line, 160)));
            self.push(format_args!("<text x=\"{MARGIN}\" y=\"{y}\" fill=\"#374151\"{weight}>{text}</text>"));
            self.y += TITLE_LINE;
        }
    }

    fn lifelines(&self, names: &[String], top: usize, bottom: usize) -> String {
        let mut out = String::new();
        for (x, name) in self.lines.iter().zip(names) {
            let (left, box_top, text_y, name) = (x - 55, top - 22, top - 5, escape(name));
            let _ = writeln!(
                out,
                "<rect x=\"{left}\" y=\"{box_top}\" width=\"110\" height=\"26\" rx=\"4\" fill=\"#1f2937\"/>\
                 <text x=\"{x}\" y=\"{text_y}\" text-anchor=\"middle\" fill=\"#ffffff\">{name}</text>\
                 <line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#9ca3af\"/>",
                top + 4
            );
        }
        out
    }

    fn time(&mut self, time: Option<&str>, y: usize) {
        if let Some(time) = time {
            let x = FIRST - 20;
            self.push(format_args!(
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"#6b7280\" font-size=\"12\">{time} s</text>"
            ));
        }
    }

    fn arrow(&mut self, time: Option<&str>, (from, to): (usize, usize), label: &str, repeated: bool) {
        let y = self.y + ROW - 8;
        self.time(time, y + 4);
        let (start, end) = (self.lines[from], self.lines[to]);
        let dash = if repeated { " stroke-dasharray=\"5 4\"" } else { "" };
        self.push(format_args!(
            "<line x1=\"{start}\" y1=\"{y}\" x2=\"{end}\" y2=\"{y}\" stroke=\"#1f2937\" stroke-width=\"1.3\"{dash} \
             marker-end=\"url(#tip)\"/>"
        ));
        // In the gap beside the party, so that labels of one party stand under each other.
        let party = if from == super::shape::EXCHANGE { to } else { from };
        let right = self.lines[party.max(1)];
        let (x, above, label) = (right - GAP / 2, y - 5, escape(&fit(label, 40)));
        self.push(format_args!("<text x=\"{x}\" y=\"{above}\" text-anchor=\"middle\" fill=\"#111827\">{label}</text>"));
        self.y += ROW;
    }

    fn note(&mut self, time: Option<&str>, text: &str, about: About) {
        let (left, right) = (FIRST + 20, self.lines.last().copied().unwrap_or(FIRST) - 20);
        let room = right.saturating_sub(left).max(200);
        let lines = wrap(text, (room - 20) * 100 / NOTE_CHAR);
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let width = (longest * NOTE_CHAR / 100 + 20).min(room);
        let height = lines.len() * NOTE_LINE + 7;
        let (x, y, middle) = (left + (room - width) / 2, self.y + 6, left + room / 2);
        self.time(time, y + 16);
        let (fill, stroke) = colours(about);
        self.push(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"5\" fill=\"{fill}\" \
             stroke=\"{stroke}\"/>"
        ));
        for (index, line) in lines.iter().enumerate() {
            let (y, line) = (y + 16 + index * NOTE_LINE, escape(line));
            self.push(format_args!(
                "<text x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"12\" fill=\"#111827\">{line}</text>"
            ));
        }
        self.y += height + 8;
    }
}

const fn colours(about: About) -> (&'static str, &'static str) {
    match about {
        About::Decision => ("#fef9c3", "#ca8a04"),
        About::State => ("#e0e7ff", "#6366f1"),
        About::Media => ("#dcfce7", "#16a34a"),
        About::Failure => ("#fee2e2", "#dc2626"),
    }
}

/// Text as XML 1.0 allows it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(escape("</text><script>&\"\u{0}\u{ffff}"), "&lt;/text&gt;&lt;script&gt;&amp;&quot;\u{fffd}\u{fffd}");
    }
}
