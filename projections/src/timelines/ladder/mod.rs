//! A timeline as a ladder: a column a party, an arrow a message, decisions as notes between them.

mod shape;
mod svg;
mod text;

use super::Timeline;

impl Timeline {
    /// The ladder as text of at most 120 columns, ending with a line feed.
    pub fn ladder_text(&self) -> String {
        text::draw(&shape::Ladder::of(self))
    }

    /// The ladder as an SVG document.
    pub fn ladder_svg(&self) -> String {
        svg::draw(&shape::Ladder::of(self))
    }
}
