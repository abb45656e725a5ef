//! Errors and warnings as workflow commands of GitHub Actions, which shows them at their lines.

use super::text::clean;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::manifest::Sources;
use std::fmt::Write as _;

/// Most of each kind: GitHub shows no more of a step.
const SHOWN_MAX: usize = 10;

/// One line for each error and warning that has a place. `in_repository` makes of a path what the repository calls it.
pub fn annotations(diagnostics: &Diagnostics, sources: &Sources, in_repository: &dyn Fn(&str) -> String) -> String {
    let sorted = diagnostics.clone().sorted();
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        let placed = sorted.iter().filter(|one| one.severity == severity && one.span.is_some());
        for diagnostic in placed.take(SHOWN_MAX) {
            out.push_str(&annotation(diagnostic, sources, in_repository));
        }
    }
    out
}

fn annotation(diagnostic: &Diagnostic, sources: &Sources, in_repository: &dyn Fn(&str) -> String) -> String {
    let Some(span) = diagnostic.span else { return String::new() };
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let location = sources.location(span);
    let mut message = diagnostic.summary.clone();
    for (lead, text) in [(": ", &diagnostic.label), ("\n", &diagnostic.detail)] {
        if let Some(text) = text {
            let _ = write!(message, "{lead}{text}");
        }
    }
    for help in &diagnostic.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    format!(
        "::{command} file={},line={},col={},title={}::{}\n",
        property(&in_repository(&location.path)),
        location.line,
        location.column,
        property(&format!("lhprov: {}", diagnostic.code)),
        data(&message)
    )
}

/// The message of a command: what would end its line is written otherwise.
fn data(text: &str) -> String {
    clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command: what would end it, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{SourceId, Span};

    #[test]
    fn one_line_each_with_everything_escaped() {
        let sources = Sources::from_texts([("a, b: 100%.yaml", "x: 1\nname: \"y\"\n")]);
        let at = |start, end| Span { source: SourceId(0), start, end };
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::warning("not-running", "stopped").at(at(0, 1)));
        diagnostics.push(
            Diagnostic::error("unknown-key", "100% wrong,\r\nreally: so\u{1b}[1m")
                .at(at(5, 9))
                .label("did you mean `x`?")
                .detail("Why.")
                .help("do this"),
        );
        diagnostics.push(Diagnostic::error("no-place", "nowhere"));
        let shown = annotations(&diagnostics, &sources, &|path| format!("infra/{path}"));
        insta::assert_snapshot!(shown, @r"
        ::error file=infra/a%2C b%3A 100%25.yaml,line=2,col=1,title=lhprov%3A unknown-key::100%25 wrong,␍%0Areally: so␛[1m: did you mean `x`?%0AWhy.%0Ahelp: do this
        ::warning file=infra/a%2C b%3A 100%25.yaml,line=1,col=1,title=lhprov%3A not-running::stopped
        ");
    }

    #[test]
    fn no_more_than_are_shown() {
        let sources = Sources::from_texts([("a.yaml", "x: 1\n")]);
        let mut diagnostics = Diagnostics::default();
        for number in 0..30 {
            let span = Span { source: SourceId(0), start: 0, end: 1 };
            diagnostics.push(Diagnostic::error("x", format!("problem {number}")).at(span));
            diagnostics.push(Diagnostic::warning("x", format!("problem {number}")).at(span));
        }
        let shown = annotations(&diagnostics, &sources, &str::to_owned);
        assert_eq!((shown.matches("::error ").count(), shown.matches("::warning ").count()), (10, 10));
    }
}
