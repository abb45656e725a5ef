//! Diagnostics as people read them: the place, the line with the mistake underlined, the way out.
//!
//! Pure: it makes a text, and whoever holds the stream prints it. A source line is shown through `Sources`, which blots out
//! passwords.

use crate::diag::{Diagnostic, Diagnostics, Severity, SourceId, Span};
use crate::manifest::source::Sources;
use crate::report::text::{clean, visible_character};
use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

/// Columns to render within.
const WIDTH: usize = 120;

/// Bytes of a line that are shown after the underlined part.
const LINE_BYTES_AROUND: usize = 60;

/// Most bytes that are underlined; a long text is recognised by its beginning.
const UNDERLINE_BYTES_MAX: usize = 60;

/// Farthest byte of a line at which it is still laid out as a line. Lines of a generated manifest can be megabytes long.
const HEAD_BYTES_MAX: usize = 2000;

/// Places at most so many lines apart are shown together.
const LINES_TOGETHER_MAX: usize = 30;

/// Most problems that are shown. Whoever has more of them has one mistake many times.
const SHOWN_MAX: usize = 200;

/// Renders all problems in order of their places, and a last line that counts them. Empty if there are none. Without
/// `colour` there are no escape sequences in it, whatever the sources hold.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(WIDTH).hyperlink(false);
    let sorted = diagnostics.clone().sorted();
    let mut out = String::new();
    for diagnostic in sorted.iter().take(SHOWN_MAX) {
        out.push_str(&one(diagnostic, sources, &renderer));
        out.push_str("\n\n");
    }
    let more = sorted.len().saturating_sub(SHOWN_MAX) + diagnostics.dropped();
    if more > 0 {
        let _ = writeln!(out, "… and {more} more\n");
    }
    for (severity, level) in [(Severity::Error, Level::ERROR), (Severity::Warning, Level::WARNING)] {
        let of_it: Vec<&Diagnostic> = sorted.iter().filter(|diagnostic| diagnostic.severity == severity).collect();
        if !of_it.is_empty() {
            let title = level.primary_title(count(severity, &of_it));
            out.push_str(&renderer.render(&[Group::with_title(title)]));
            out.push('\n');
        }
    }
    out
}

/// Each problem by itself, in order of their places, without colour; the last one says how many are left out.
pub fn each(diagnostics: &Diagnostics, sources: &Sources) -> Vec<String> {
    let renderer = Renderer::plain().term_width(WIDTH).hyperlink(false);
    let sorted = diagnostics.clone().sorted();
    let mut texts: Vec<String> = sorted.iter().take(SHOWN_MAX).map(|one| self::one(one, sources, &renderer)).collect();
    let more = sorted.len().saturating_sub(SHOWN_MAX) + diagnostics.dropped();
    if more > 0 {
        texts.push(format!("… and {more} more"));
    }
    texts
}

/// `3 errors in 2 files`.
fn count(severity: Severity, diagnostics: &[&Diagnostic]) -> String {
    let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let files: BTreeSet<SourceId> = diagnostics.iter().filter_map(|diagnostic| Some(diagnostic.span?.source)).collect();
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    match files.len() {
        0 => plural(diagnostics.len(), word),
        number => format!("{} in {}", plural(diagnostics.len(), word), plural(number, "file")),
    }
}

fn one(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(clean(&diagnostic.summary)).id(diagnostic.code));
    for excerpt in excerpts(diagnostic, sources) {
        group = excerpt.show(group, sources);
    }
    if let Some(detail) = &diagnostic.detail {
        group = group.element(Level::NOTE.message(clean(detail)));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(clean(help)));
    }
    renderer.render(&[group])
}

/// A place to mark, with its line (from 0).
struct Mark<'d> {
    span: Span,
    line: usize,
    label: &'d str,
    kind: AnnotationKind,
}

/// Lines of one text that are shown together.
struct Excerpt<'d> {
    source: SourceId,
    marks: Vec<Mark<'d>>,
}

/// The places of a diagnostic; those that are near one another in one excerpt.
fn excerpts<'d>(diagnostic: &'d Diagnostic, sources: &Sources) -> Vec<Excerpt<'d>> {
    let primary = diagnostic.span.map(|span| (span, diagnostic.label.as_deref().unwrap_or_default()));
    let related = diagnostic.related.iter().map(|(span, note)| (*span, note.as_str()));
    let mut excerpts: Vec<Excerpt<'d>> = Vec::new();
    for (at, (span, label)) in primary.into_iter().chain(related).enumerate() {
        let line = sources.line_of(span.source, span.start);
        let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let mark = Mark { span, line, label, kind };
        let near = |excerpt: &&mut Excerpt<'_>| {
            excerpt.source == span.source
                && excerpt.marks.iter().all(|other| other.line.abs_diff(line) <= LINES_TOGETHER_MAX)
        };
        match excerpts.iter_mut().find(near) {
            Some(excerpt) => excerpt.marks.push(mark),
            None => excerpts.push(Excerpt { source: span.source, marks: vec![mark] }),
        }
    }
    excerpts
}

impl Excerpt<'_> {
    fn show<'a>(&self, group: Group<'a>, sources: &Sources) -> Group<'a> {
        let lines = self.marks.iter().map(|mark| mark.line);
        let (first, last) = (lines.clone().min().unwrap_or(0), lines.max().unwrap_or(0));
        let mut text = String::new();
        let mut annotations: Vec<Annotation<'a>> = Vec::new();
        for line in first..=last {
            let marks: Vec<&Mark<'_>> = self.marks.iter().filter(|mark| mark.line == line).collect();
            let Some((line_start, shown)) = sources.line_for_display(self.source, line) else { continue };
            let ranges: Vec<Range<usize>> = marks.iter().map(|mark| range(mark.span, line_start, &shown)).collect();
            if let Some(far) = ranges.iter().find(|range| range.start > HEAD_BYTES_MAX) {
                return self.show_far(group, sources, &shown, far);
            }
            let end = ranges.iter().map(|range| range.end).max().unwrap_or(0) + LINE_BYTES_AROUND;
            let end = boundary(&shown, end.max(LINE_BYTES_AROUND * 2).min(shown.len()));
            for (mark, range) in marks.iter().zip(ranges) {
                let (before, marked) = (visible(&shown[..range.start]), visible(&shown[range]));
                let start = text.len() + before.len();
                let annotation = mark.kind.span(start..start + marked.len());
                let labelled = !mark.label.is_empty();
                annotations.push(if labelled { annotation.label(clean(mark.label)) } else { annotation });
            }
            text.push_str(&visible(&shown[..end]));
            text.push_str(if end < shown.len() { "…\n" } else { "\n" });
        }
        if annotations.is_empty() {
            return group;
        }
        let path = clean(sources.path(self.source));
        group.element(Snippet::source(text).path(path).line_start(first + 1).annotations(annotations))
    }

    /// Of a line that is too long to be laid out, the part around the mark.
    fn show_far<'a>(&self, group: Group<'a>, sources: &Sources, line: &str, mark: &Range<usize>) -> Group<'a> {
        let Some(first) = self.marks.first() else { return group };
        let location = sources.location(first.span);
        let from = boundary(line, mark.start.saturating_sub(LINE_BYTES_AROUND));
        let to = boundary(line, (mark.end + LINE_BYTES_AROUND).min(line.len()));
        let (before, marked, after) = (&line[from..mark.start], &line[mark.clone()], &line[mark.end..to]);
        let note = format!("here, between the arrows: …{}»{}«{}…", visible(before), visible(marked), visible(after));
        let origin = Origin::path(clean(&location.path)).line(location.line).char_column(location.column);
        let labels = self.marks.iter().filter(|mark| !mark.label.is_empty());
        let labels: Vec<_> = labels.map(|mark| Element::from(Level::NOTE.message(clean(mark.label)))).collect();
        group.element(Element::from(origin)).element(Level::NOTE.message(note)).elements(labels)
    }
}

/// The bytes of a line that a span marks, at most the beginning of a long one.
fn range(span: Span, line_start: u32, line: &str) -> Range<usize> {
    let start = span.start.saturating_sub(line_start) as usize;
    let start = boundary(line, start.min(line.len()));
    let end = (span.end.saturating_sub(line_start) as usize).clamp(start, start + UNDERLINE_BYTES_MAX);
    start..boundary(line, end.min(line.len())).max(start)
}

/// The last boundary between characters at or before a byte.
fn boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Control characters are made visible one for one, so that the underline stays under its text.
fn visible(text: &str) -> String {
    text.chars().map(visible_character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sources(text: &str) -> Sources {
        Sources::from_texts([("m.yaml", text)])
    }

    fn span(text: &str, needle: &str) -> Span {
        let start = u32::try_from(text.find(needle).unwrap()).unwrap();
        Span { source: SourceId(0), start, end: start + u32::try_from(needle.len()).unwrap() }
    }

    fn shown(text: &str, needle: &str) -> String {
        let diagnostic = Diagnostic::error("code", "it is wrong").at(span(text, needle)).label("here").help("do this");
        render(&diagnostic.into(), &sources(text), false)
    }

    #[test]
    fn underlines_under_wide_characters_tabs_and_carriage_returns() {
        assert_eq!(
            shown("a: 1\r\n名前: [東京, bad]\r\n", "bad"),
            "error[code]: it is wrong\n --> m.yaml:2:10\n  |\n2 | 名前: [東京, bad]\n  |              ^^^ here\n  |\n  = help: do this\n\nerror: 1 error in 1 file\n"
        );
        let tab = shown("a:\tbad\n", "bad");
        assert!(tab.contains("1 | a:    bad\n  |       ^^^ here"), "{tab}");
    }

    #[test]
    fn cuts_long_lines_and_shows_no_control_characters() {
        let text = format!("a: [{}bad{}]\n", "x, ".repeat(1000), ", y".repeat(1000));
        let out = shown(&text, "bad");
        assert!(out.contains("--> m.yaml:1:3005") && out.contains("»bad«"), "{out}");
        assert!(out.lines().all(|line| line.chars().count() <= 200), "{out}");
        let out = shown("a: \u{1b}[31mbad\n", "bad");
        assert!(!out.contains('\u{1b}') && out.contains('␛'), "{out}");
    }

    #[test]
    fn colours_when_asked() {
        let text = "a: bad\n";
        let diagnostics = Diagnostics::from(Diagnostic::error("code", "it is wrong").at(span(text, "bad")));
        assert!(render(&diagnostics, &sources(text), true).contains('\u{1b}'));
        assert_eq!(render(&Diagnostics::default(), &sources(text), true), "");
    }

    #[test]
    fn counts_errors_warnings_and_files() {
        let sources = Sources::from_texts([("a.yaml", "a"), ("b.yaml", "b")]);
        let at = |source| Span { source: SourceId(source), start: 0, end: 1 };
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::error("x", "one").at(at(0)));
        diagnostics.push(Diagnostic::error("x", "two").at(at(1)));
        diagnostics.push(Diagnostic::error("x", "three"));
        diagnostics.push(Diagnostic::warning("x", "four").at(at(1)));
        let out = render(&diagnostics, &sources, false);
        assert!(out.ends_with("error: 3 errors in 2 files\nwarning: 1 warning in 1 file\n"), "{out}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_span_panics(text in "(\\PC|[\t\r\n\u{1b}]){0,200}", start in 0u32..300, length in 0u32..300, source in 0u32..2) {
            let span = Span { source: SourceId(source), start, end: start + length };
            let diagnostic = Diagnostic::error("code", "wrong").at(span).label("here").related(span, "there");
            let out = render(&diagnostic.into(), &sources(&text), false);
            prop_assert!(!out.contains(char::from(27)), "an escape");
        }
    }
}
