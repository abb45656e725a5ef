//! A block of lines at the bottom of a terminal that is drawn over again and again, while other lines scroll by above it.
//!
//! Pure: it makes the bytes of each drawing, which are to be written at once, so that nothing flickers. No line reaches the last
//! column, so none wraps by itself; and when the terminal has become narrower, what it has wrapped of the last drawing is
//! drawn over as well.

use crate::report::text::columns;

/// The block as it stands on the terminal; the cursor is behind its last line.
#[derive(Debug, Default)]
pub struct Screen {
    /// Columns of each line.
    drawn: Vec<usize>,
    /// Columns of the terminal when it was drawn.
    width: usize,
}

/// A line of the block: what is written, and the columns that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// With sequences that colour.
    pub text: String,
    /// Without them.
    pub columns: usize,
}

impl Line {
    /// A line without colour.
    pub fn plain(text: String) -> Self {
        Self { columns: columns(&text), text }
    }
}

/// To the beginning of the line.
const HOME: &str = "\r";
/// Clears what is right of the cursor.
const CLEAR_LINE: &str = "\u{1b}[K";
/// Clears what is right of the cursor and below it.
const CLEAR_REST: &str = "\u{1b}[J";

impl Screen {
    /// Writes `above` (whole lines) and draws the block below it.
    pub fn draw(&mut self, above: &str, lines: &[Line], width: usize) -> String {
        let mut out = self.to_top(width);
        // What stands above may be longer than a line and is left to the terminal to wrap.
        let breaks = if above.is_empty() {
            CLEAR_LINE
        } else {
            out.push_str(CLEAR_REST);
            out.push_str(&above.replace('\n', "\r\n"));
            ""
        };
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                out.push_str("\r\n");
            }
            out.push_str(&line.text);
            out.push_str(breaks);
        }
        if above.is_empty() {
            out.push_str(CLEAR_REST);
        }
        self.drawn = lines.iter().map(|line| line.columns).collect();
        self.width = width;
        out
    }

    /// Takes the block away.
    pub fn clear(&mut self, width: usize) -> String {
        if self.drawn.is_empty() {
            return String::new();
        }
        let out = self.to_top(width) + CLEAR_REST;
        self.drawn.clear();
        out
    }

    fn to_top(&self, width: usize) -> String {
        let rows: usize = match width < self.width {
            true => self.drawn.iter().map(|columns| columns.div_ceil(width.max(1)).max(1)).sum(),
            false => self.drawn.len(),
        };
        match rows {
            0 => String::new(),
            1 => HOME.to_owned(),
            rows => format!("{HOME}\u{1b}[{}A", rows - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::plain((*text).to_owned())).collect()
    }

    /// What a terminal of this size shows after some bytes.
    fn shown(bytes: &str, columns: u16) -> String {
        let mut terminal = vt100::Parser::new(10, columns, 100);
        terminal.process(bytes.as_bytes());
        terminal.screen().contents()
    }

    #[test]
    fn a_block_is_drawn_over_and_taken_away() {
        let mut screen = Screen::default();
        let mut bytes = screen.draw("", &lines(&["one", "two is long", "three"]), 20);
        bytes += &screen.draw("", &lines(&["1", "2", "3"]), 20);
        assert_eq!(shown(&bytes, 20), "1\n2\n3");
        bytes += &screen.draw("said\nand a line that is longer than the terminal\n", &lines(&["1", "2"]), 20);
        let above = "said\nand a line that is longer than the terminal".to_owned();
        assert_eq!(shown(&bytes, 20).replace("longer\n", "longer "), format!("{above}\n1\n2"));
        bytes += &screen.clear(20);
        assert_eq!(shown(&bytes, 20).trim_end(), above);
        assert_eq!(screen.clear(20), "");
    }

    #[test]
    fn what_a_narrower_terminal_has_wrapped_is_drawn_over() {
        let mut screen = Screen::default();
        screen.draw("", &lines(&["a line of twenty-five col", "short"]), 30);
        // Two rows and one, of which the cursor is on the last.
        assert!(screen.draw("", &lines(&["x"]), 20).starts_with("\r\u{1b}[2Ax"));
        assert!(screen.draw("", &lines(&["x"]), 30).starts_with("\rx"));
    }
}
