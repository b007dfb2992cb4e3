//! A timeline as a ladder: a column a party, an arrow a message, decisions as notes between them.

mod shape;
mod svg;
mod text;

use super::Timeline;

/// A ladder's text, to be shown event by event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderLines {
    /// What stands above: the session, its parties, the columns' names.
    pub head: Vec<String>,
    /// The lines of each event, in the order of [`Timeline::entries`]. What the ladder leaves out is told in words here.
    pub events: Vec<Vec<String>>,
}

impl Timeline {
    /// The ladder as text of at most 120 columns, line by line, with every event.
    pub fn ladder_lines(&self) -> LadderLines {
        text::lines(&shape::Ladder::whole(self))
    }

    /// The ladder as text of at most 120 columns, ending with a line feed.
    pub fn ladder_text(&self) -> String {
        text::draw(&shape::Ladder::of(self))
    }

    /// The ladder as an SVG document.
    pub fn ladder_svg(&self) -> String {
        svg::draw(&shape::Ladder::of(self))
    }
}
