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

/// The candidate nearest to `word`, if it is near enough to be a slip.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 4)
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// `BundleId`, `bundle-id` and `bundle_id` are one word to the hand that typed it.
fn fold(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) between two short words.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut cost = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
    }
}
