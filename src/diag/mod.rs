//! Diagnostics: what a user is told about a mistake. Severity, constant summary, place, way out.

pub mod codes;
mod list;
mod span;

use crate::model::Address;
pub use list::Diagnostics;
pub use span::{SourceId, Span, Spanned};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The run cannot go on.
    Error,
    /// The run goes on.
    Warning,
}

/// One problem, as data. `report` renders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code, kebab case: `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line, without a period.
    pub summary: String,
    /// The underlined place, where the problem has one.
    pub span: Option<Span>,
    /// What to write at the underline.
    pub label: Option<String>,
    /// Further places, each with its note.
    pub related: Vec<(Span, String)>,
    /// Why, in full sentences.
    pub detail: Option<String>,
    /// The way out; each becomes `help: …`.
    pub help: Vec<String>,
    /// The addresses it is about, for programs: nothing reads them out of the text.
    pub subjects: Vec<Address>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, summary: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            summary: summary.into(),
            span: None,
            label: None,
            related: Vec::new(),
            detail: None,
            help: Vec::new(),
            subjects: Vec::new(),
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, summary) }
    }

    /// Sets the place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Sets the text at the underline.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Adds a further place.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related.push((span, note.into()));
        self
    }

    /// Sets the explanation.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    /// Adds the addresses it is about.
    #[must_use]
    pub fn about(mut self, addresses: impl IntoIterator<Item = Address>) -> Self {
        self.subjects.extend(addresses);
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// Longest word for which a near one is looked for; a longer one is no slip of the hand, and comparing costs its square.
const WORD_CHARACTERS_MAX: usize = 100;

/// Most candidates that are compared in full. With the cheap checks before it this makes the search linear: a file with
/// thousands of mistakes in a stack of thousands of names ends in about a second.
const COMPARED_MAX: usize = 500;

/// In a word up to this length one swap can change both ends.
const SHORT_WORD_BYTES: usize = 4;

/// The candidate nearest to `word`, if it is near enough to be a slip.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_long = |text: &str| text.len() > 4 * WORD_CHARACTERS_MAX || text.chars().count() > WORD_CHARACTERS_MAX;
    if is_long(word) {
        return None;
    }
    let folded = fold(word);
    let distance_max = |candidate: &str| 1 + candidate.len().min(word.len()) / 4;
    candidates
        .into_iter()
        // Bytes that were folded away or are longer in another case are allowed for.
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 3 * distance_max(candidate) + 4)
        .filter(|candidate| word.len() <= SHORT_WORD_BYTES || shares_an_end(word, candidate))
        .take(COMPARED_MAX)
        .filter(|candidate| !is_long(candidate))
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= distance_max(candidate))
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// Whether the words begin or end alike, as nearly all slips do. Of thousands of names that leaves those worth comparing.
fn shares_an_end(a: &str, b: &str) -> bool {
    let ends = |word: &str| (word.chars().next().map(lower), word.chars().next_back().map(lower));
    let (of_a, of_b) = (ends(a), ends(b));
    of_a.0 == of_b.0 || of_a.1 == of_b.1
}

fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

/// `BundleId`, `bundle-id` and `bundle_id` are one word to the hand that typed it.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_leaves_strangers() {
        let keys = ["bundle_id", "blueprint_id", "zones", "count"];
        assert_eq!(did_you_mean("BundleId", keys), Some("bundle_id"));
        assert_eq!(did_you_mean("zoens", keys), Some("zones"));
        assert_eq!(did_you_mean("cuont", keys), Some("count"));
        assert_eq!(did_you_mean("flavour", keys), None);
        assert_eq!(did_you_mean("ZONES", keys), Some("zones"));
        assert_eq!(did_you_mean("bd", ["db", "web"]), Some("db"));
        assert_eq!(did_you_mean(&"z".repeat(1 << 20), keys), None);
        let names: Vec<String> = (0..100_000).map(|n| format!("web-{n}")).collect();
        assert_eq!(did_you_mean("wbe-7", names.iter().map(String::as_str)), Some("web-7"));
    }
}
