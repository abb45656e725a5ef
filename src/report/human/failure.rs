//! A command that failed: what went wrong, why, and the way out.

use crate::report::style::{Label, Palette};
use crate::report::text::{clean, wrap};
use std::fmt::Write as _;

/// Renders `error: …`, its causes, and the help lines.
pub fn render(heading: &str, causes: &[String], help: &[String], palette: Palette) -> String {
    let mut out = format!("{} {}\n", palette.paint(Label::Error, "error:"), wrap(&clean(heading), 7, 7));
    for cause in causes {
        let _ = writeln!(out, "  because: {}", wrap(&clean(cause), 11, 11));
    }
    for line in help {
        let _ = writeln!(out, "  {} {}", palette.paint(Label::Help, "help:"), wrap(&clean(line), 8, 8));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_to_do() {
        let causes = ["permission denied".to_owned()];
        let help = ["make the folder writable for this user, or name another file with --state".to_owned()];
        insta::assert_snapshot!(render("failed to write state/x.json", &causes, &help, Palette::plain()), @"
        error: failed to write state/x.json
          because: permission denied
          help: make the folder writable for this user, or name another file with
                --state
        ");
    }
}
