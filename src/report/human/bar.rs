//! How far a run is, as a bar of a given width: indicatif fills it, and the block of live lines puts it where it belongs.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Done and to be done.
const CHARACTERS: &str = "━─";

/// What the bar is drawn on instead of a terminal.
#[derive(Clone, Debug, Default)]
struct Ink {
    width: u16,
    drawn: Arc<Mutex<String>>,
}

impl Ink {
    fn push(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }
}

impl TermLike for Ink {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.push(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A bar of `width` columns, of which `over` of `all` are full.
pub fn bar(over: usize, all: usize, width: usize) -> String {
    let Ok(style) = ProgressStyle::with_template(&format!("{{bar:{width}}}")) else { return String::new() };
    if width == 0 {
        return String::new();
    }
    // One column more than the bar, so that nothing is cut.
    let ink = Ink { width: u16::try_from(width + 1).unwrap_or(u16::MAX), drawn: Arc::default() };
    let target = ProgressDrawTarget::term_like(Box::new(ink.clone()));
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let drawn = ProgressBar::with_draw_target(Some(number(all)), target).with_style(style.progress_chars(CHARACTERS));
    drawn.set_position(number(over.min(all)));
    // Draws once, whatever was drawn just before.
    drawn.abandon();
    let text = ink.drawn.lock().unwrap_or_else(PoisonError::into_inner);
    // The last drawing is what counts.
    let last: Vec<char> = text.trim_end().chars().rev().take(width).collect();
    last.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_full_when_all_is_over() {
        assert_eq!(bar(0, 10, 8), "────────");
        assert_eq!(bar(5, 10, 8), "━━━━────");
        assert_eq!(bar(10, 10, 8), "━━━━━━━━");
        assert_eq!(bar(12, 10, 8), "━━━━━━━━");
        assert_eq!(bar(0, 0, 4), "━━━━");
        assert_eq!(bar(1, 2, 0), "");
    }
}
