//! Characters that look like YAML's own and are others: no-break spaces from a web page, full-width punctuation from a
//! Chinese keyboard, quotation marks from a word processor; and the lines that a merge conflict leaves behind.
//!
//! They are legal in texts, so they are reported only beside an error in their line or the lines next to it.

use super::source::Sources;
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceId, Span};

/// A character, its name, and the characters to write instead.
const LOOK_ALIKES: &[(char, &str, &str)] = &[
    ('\u{a0}', "a no-break space", "a space"),
    ('\u{2007}', "a figure space", "a space"),
    ('\u{202f}', "a narrow no-break space", "a space"),
    ('\u{3000}', "a full-width space", "a space"),
    ('\u{feff}', "a byte order mark", "nothing"),
    ('\u{200b}', "a zero-width space", "nothing"),
    ('：', "a full-width colon", "`: `"),
    ('，', "a full-width comma", "`, `"),
    ('、', "an ideographic comma", "`, `"),
    ('；', "a full-width semicolon", "`;`"),
    ('“', "a typographic quotation mark", "`\"`"),
    ('”', "a typographic quotation mark", "`\"`"),
    ('‘', "a typographic quotation mark", "`'`"),
    ('’', "a typographic quotation mark", "`'`"),
    ('［', "a full-width bracket", "`[`"),
    ('］', "a full-width bracket", "`]`"),
    ('【', "a full-width bracket", "`[`"),
    ('】', "a full-width bracket", "`]`"),
    ('｛', "a full-width brace", "`{`"),
    ('｝', "a full-width brace", "`}`"),
    ('＃', "a full-width number sign", "`#`"),
    ('－', "a full-width hyphen", "`-`"),
    ('＄', "a full-width dollar sign", "`$`"),
    ('\u{2028}', "a line separator", "a line break"),
    ('\u{2029}', "a paragraph separator", "a line break"),
];

/// How the lines begin that a merge leaves where both sides changed a file. All but the separator name a side.
const CONFLICT_MARKERS: [&str; 4] = ["<<<<<<< ", "||||||| ", "=======", ">>>>>>> "];

/// Most look-alikes that one error names.
const NAMED_MAX: usize = 3;

/// The error for a text with the markers of a merge conflict; it stands for whatever else is wrong with the text.
pub(super) fn merge_conflict(text: &str, source: SourceId) -> Option<Diagnostic> {
    if !text.starts_with(CONFLICT_MARKERS[0]) && !text.contains("\n<<<<<<< ") {
        return None;
    }
    let mut marked = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let shown = line.trim_end();
        let is_marker = |marker: &str| {
            shown.starts_with(marker.trim_end()) && (shown.len() == marker.trim_end().len() || line.starts_with(marker))
        };
        if CONFLICT_MARKERS.into_iter().any(is_marker) {
            let (from, to) = (bytes(start), bytes(start + shown.len()));
            marked.push(Span { source, start: from, end: to });
        }
        start += line.len();
    }
    let (first, rest) = marked.split_first()?;
    let diagnostic = Diagnostic::error("merge-conflict", "this file has an unresolved merge conflict").at(*first);
    let diagnostic = rest.iter().take(2).fold(diagnostic, |diagnostic, span| diagnostic.related(*span, "and here"));
    Some(diagnostic.help("keep one side, or both where they belong together, and remove the marker lines"))
}

fn bytes(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Adds to each error the look-alikes in its line and the lines next to it, which are its likely cause.
pub(super) fn explain_errors(diagnostics: &mut Diagnostics, sources: &Sources) {
    diagnostics.edit_each(|diagnostic| {
        if let (Severity::Error, Some(span)) = (diagnostic.severity, diagnostic.span) {
            diagnostic.help.extend(near(sources, span).into_iter().take(NAMED_MAX));
        }
    });
}

fn near(sources: &Sources, span: Span) -> Vec<String> {
    let line = sources.line_of(span.source, span.start);
    let mut found = Vec::new();
    for number in line.saturating_sub(1)..=line + 1 {
        let Some(text) = sources.line(span.source, number) else { continue };
        if text.is_ascii() {
            continue;
        }
        // In a comment nothing is misread.
        let code = text.split(" #").next().unwrap_or_default();
        if code.trim_start().starts_with('#') {
            continue;
        }
        for (column, character) in code.chars().enumerate() {
            if let Some((_, name, instead)) = LOOK_ALIKES.iter().find(|(own, ..)| *own == character) {
                let at = format!("line {}, column {}", number + 1, column + 1);
                found.push(format!("{at} has {name} (U+{:04X}); YAML needs {instead}", u32::from(character)));
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_conflicts_and_nothing_else() {
        let conflict = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> topic\n";
        let found = merge_conflict(conflict, SourceId(0)).unwrap();
        assert_eq!((found.span.unwrap().start, found.related.len()), (5, 2));
        for text in ["a: |\n  <<<<<<< x\n  =======\n", "a: 1\n=======\n", "", "<<: *a\n"] {
            assert_eq!(merge_conflict(text, SourceId(0)), None, "{text}");
        }
    }
}
