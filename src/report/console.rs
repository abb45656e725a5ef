//! The two streams: results to stdout, the conversation to stderr.
//!
//! Whoever reads may stop reading (`lhprov plan | head`). That is no failure and never a panic: what is left of the
//! result is dropped, and the command goes on to its own end. A disk that is full is a failure.
//!
//! Nothing passes that could do more to a terminal than colour it, and where there is no colour nothing but text. Whoever
//! makes a text cleans what is not its own; this is the last door.

use super::style::Palette;
use super::text::{Reader, harmless};
use std::io::{self, BufWriter, Write};

/// Where texts go, and how they may look there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console {
    /// How results look.
    pub stdout: Palette,
    /// How the conversation looks.
    pub stderr: Palette,
    /// Whether lines on stderr can be drawn over: people read it live, and its terminal can do that.
    pub stderr_is_live: bool,
    /// Whether a runner of GitHub Actions reads stderr for annotations.
    pub annotates: bool,
    /// Whether people read stdout live.
    pub stdout_is_terminal: bool,
}

impl Console {
    /// Prints a result.
    ///
    /// # Errors
    /// When it could not be written, for another reason than that nobody reads it.
    pub fn result(&self, text: &str) -> io::Result<()> {
        let reader = if self.stdout_is_terminal { Reader::Person } else { Reader::Program };
        let text = harmless(text, self.stdout.is_coloured(), reader);
        self.result_with(|out| out.write_all(text.as_bytes()))
    }

    /// Prints a result piece by piece: JSON, in which nothing can do harm.
    ///
    /// # Errors
    /// As `result`.
    pub fn result_with(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = write(&mut out).and_then(|()| out.flush());
        // What the buffer still holds must not be written a second time.
        let _rest = out.into_parts();
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Draws on the terminal of stderr: bytes that move the cursor, of texts that were cleaned before.
    pub fn draw(&self, bytes: &str) {
        let mut out = io::stderr().lock();
        let _ = out.write_all(bytes.as_bytes()).and_then(|()| out.flush());
    }

    /// Says something to whoever ran the command. There is nobody to tell if that fails.
    pub fn say(&self, text: &str) {
        let text = harmless(text, self.stderr.is_coloured(), Reader::Person);
        let mut out = io::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
