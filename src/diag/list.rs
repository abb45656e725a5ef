//! Collect many, sort late.

use super::{Diagnostic, Severity};

/// Most diagnostics that are kept; further ones are counted. A generated file can have a mistake in each of a million
/// lines, and nobody reads more than some hundred.
const KEPT_MAX: usize = 2_000;

/// Everything found wrong in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    /// Errors and warnings beyond those that are kept.
    dropped: usize,
    /// Whether one of those is an error.
    dropped_errors: bool,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_full() {
            self.kept.push(diagnostic);
            return;
        }
        self.dropped += 1;
        self.dropped_errors |= diagnostic.severity == Severity::Error;
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Diagnostics) {
        self.dropped += other.dropped;
        self.dropped_errors |= other.dropped_errors;
        other.kept.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Whether further ones are only counted, so that costly advice need not be worked out.
    pub fn is_full(&self) -> bool {
        self.kept.len() >= KEPT_MAX
    }

    /// How many were counted but not kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.dropped_errors || self.kept.iter().any(|d| d.severity == Severity::Error)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.kept.len() + self.dropped
    }

    /// Those that are kept, in the order found.
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.kept
    }

    /// Changes each one that is kept.
    pub fn edit_each(&mut self, edit: impl FnMut(&mut Diagnostic)) {
        self.kept.iter_mut().for_each(edit);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// In the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.kept.iter()
    }

    /// In order of place; those without a place come first; equal ones once.
    pub fn sorted(mut self) -> Vec<Diagnostic> {
        self.kept
            .sort_by(|a, b| (a.span, a.severity, a.code, &a.summary).cmp(&(b.span, b.severity, b.code, &b.summary)));
        self.kept.dedup();
        self.kept
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { kept: vec![diagnostic], ..Self::default() }
    }
}
