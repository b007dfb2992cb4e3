//! The ladder as text.

use super::LadderLines;
use super::shape::{Ladder, Row, Shape, fit, wrap};

/// Columns of text at most.
const WIDTH: usize = 118;
/// Where the first lifeline stands: after the time.
const FIRST: usize = 12;
const WIDEST_GAP: usize = 46;

pub(super) fn draw(ladder: &Ladder) -> String {
    let LadderLines { head, events } = lines(ladder);
    let canvas = Canvas::of(ladder);
    let last = canvas.row("").trim_end().to_owned();
    let mut text = head.into_iter().chain(events.into_iter().flatten()).chain([last]).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

pub(super) fn lines(ladder: &Ladder) -> LadderLines {
    let canvas = Canvas::of(ladder);
    let mut head: Vec<String> = ladder.title.iter().flat_map(|line| wrap_title(line)).collect();
    head.extend([String::new(), canvas.header(&ladder.columns)]);
    let mut time = String::new();
    let mut events = Vec::with_capacity(ladder.rows.len());
    for row in &ladder.rows {
        let now = format!("{:.3}", row.at_ms / 1_000.0);
        // A time stands where it changes: what happened in one turn is seen as one.
        let shown = if now == time { "" } else { &now };
        let drawn = match &row.shape {
            Shape::Arrow { from, to, label, repeated } => vec![canvas.arrow(shown, (*from, *to), label, *repeated)],
            Shape::Note { .. } => canvas.note(shown, row),
        };
        events.push(trimmed(drawn));
        time = now;
    }
    LadderLines { head: trimmed(head), events }
}

fn trimmed(lines: Vec<String>) -> Vec<String> {
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn wrap_title(line: &str) -> Vec<String> {
    if line.chars().count() <= WIDTH { vec![line.to_owned()] } else { wrap(line, WIDTH) }
}

/// Where the lifelines stand.
struct Canvas {
    lines: Vec<usize>,
}

impl Canvas {
    fn of(ladder: &Ladder) -> Self {
        let gaps = ladder.columns.len().saturating_sub(1).max(1);
        let gap = ((WIDTH - FIRST - 6) / gaps).min(WIDEST_GAP);
        Self { lines: (0..=gaps).map(|column| FIRST + column * gap).collect() }
    }

    fn blank(&self, time: &str) -> Vec<char> {
        let mut cells = vec![' '; WIDTH];
        for x in &self.lines {
            cells[*x] = '│';
        }
        write(&mut cells, FIRST.saturating_sub(2 + time.len()), time);
        cells
    }

    fn row(&self, time: &str) -> String {
        self.blank(time).into_iter().collect()
    }

    fn header(&self, names: &[String]) -> String {
        let mut cells = vec![' '; WIDTH];
        write(&mut cells, FIRST - 3, "s");
        for (x, name) in self.lines.iter().zip(names) {
            let half = name.chars().count() / 2;
            write(&mut cells, x.saturating_sub(half), name);
        }
        cells.into_iter().collect()
    }

    fn arrow(&self, time: &str, (from, to): (usize, usize), label: &str, repeated: bool) -> String {
        let mut cells = self.blank(time);
        let (left, right) = (self.lines[from.min(to)], self.lines[from.max(to)]);
        let line = if repeated { '╌' } else { '─' };
        for (x, cell) in cells.iter_mut().enumerate().take(right).skip(left + 1) {
            *cell = if self.lines.contains(&x) { '┼' } else { line };
        }
        if from < to {
            cells[right - 1] = '▶';
        } else {
            cells[left + 1] = '◀';
        }
        // Next to the party that is not the exchange there is always room for it.
        let room = (self.lines[1] - self.lines[0]).saturating_sub(6);
        let label = format!(" {} ", fit(label, room));
        let length = label.chars().count();
        let gap_left = if from.min(to) == 0 { left } else { right - (self.lines[1] - self.lines[0]) };
        let middle = (gap_left + right.min(gap_left + self.lines[1] - self.lines[0])) / 2;
        write(&mut cells, middle.saturating_sub(length / 2).max(gap_left + 2), &label);
        cells.into_iter().collect()
    }

    fn note(&self, time: &str, row: &Row) -> Vec<String> {
        let Shape::Note { text, .. } = &row.shape else { return Vec::new() };
        let (left, right) = (self.lines[0] + 3, self.lines.last().copied().unwrap_or(WIDTH) - 3);
        let lines = wrap(text, right - left - 4);
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let start = left + (right - left).saturating_sub(longest + 4) / 2;
        let draw = |(index, line): (usize, &String)| {
            let mut cells = self.blank(if index == 0 { time } else { "" });
            let padding = longest - line.chars().count();
            write(&mut cells, start, &format!("[ {line}{} ]", " ".repeat(padding)));
            cells.into_iter().collect()
        };
        lines.iter().enumerate().map(draw).collect()
    }
}

fn write(cells: &mut [char], at: usize, text: &str) {
    for (cell, c) in cells.iter_mut().skip(at).zip(text.chars()) {
        *cell = c;
    }
}
