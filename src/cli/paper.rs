//! Where the result of a run goes that plans or gives account: stdout in the form that was asked for, and in GitHub Actions
//! the summary of the step as well.

use super::args::ReportFormat;
use super::failure::Failure;
use super::github;
use super::session::Ended;
use crate::report::console::Console;
use crate::report::markdown::{COMMENT_MAX, Page, failure};
use crate::report::style::Palette;
use std::io;
use std::sync::OnceLock;

/// The paper that a run is told on.
pub struct Paper {
    command: &'static str,
    format: ReportFormat,
    console: Console,
    /// The stack, once the manifest is read.
    stack: OnceLock<String>,
    /// Whether the step has a summary.
    has_summary: bool,
}

impl Paper {
    /// For a command.
    pub fn new(command: &'static str, format: ReportFormat, console: Console) -> Self {
        Self { command, format, console, stack: OnceLock::new(), has_summary: github::has_summary() }
    }

    /// Form of the result.
    pub fn format(&self) -> ReportFormat {
        self.format
    }

    /// From here on it is known which stack it is about.
    pub fn is_about(&self, stack: &str) {
        self.stack.get_or_init(|| stack.to_owned());
    }

    /// Publishes the page where pages are wanted.
    ///
    /// # Errors
    /// Those of stdout.
    pub fn publish(&self, page: impl FnOnce() -> Page) -> io::Result<()> {
        if self.format != ReportFormat::Markdown && !self.has_summary {
            return Ok(());
        }
        let page = page();
        if self.has_summary {
            github::append_to_summary(&page, self.console);
        }
        match self.format {
            ReportFormat::Markdown => self.console.result(&page.render(COMMENT_MAX)),
            ReportFormat::Text | ReportFormat::Json => Ok(()),
        }
    }

    /// Publishes how a run failed that came to no result.
    pub fn told(&self, ended: Result<Ended, Failure>) -> Result<Ended, Failure> {
        if let Err(failed) = &ended {
            // The failure itself is said on stderr; that this could not be written is not worth another.
            let _ = self.publish(|| {
                let told = failed.render(Palette::plain());
                failure(self.command, self.stack.get().map(String::as_str), &failed.line(), &told)
            });
        }
        ended
    }
}
