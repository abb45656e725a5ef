//! Collects what expansion and checks find, each problem once for the place where it was written.

use crate::diag::{Diagnostic, Diagnostics, Span};
use std::collections::HashSet;

/// The problems of a run. A value written once is checked for each of the instances it goes into, and a mistake in it is
/// still one mistake.
pub(super) struct Problems<'d> {
    diagnostics: &'d mut Diagnostics,
    seen: HashSet<(Option<Span>, &'static str, String)>,
}

impl<'d> Problems<'d> {
    pub(super) fn new(diagnostics: &'d mut Diagnostics) -> Self {
        Self { diagnostics, seen: HashSet::new() }
    }

    /// Adds a problem, unless its place has one of its code.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.push_distinct(diagnostic, "");
    }

    /// Adds a problem, unless its place has one of its code and of the same `what`. For texts in which there may be several.
    pub(super) fn push_distinct(&mut self, diagnostic: Diagnostic, what: &str) {
        if self.seen.insert((diagnostic.span, diagnostic.code, what.to_owned())) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// An error at a place.
    pub(super) fn error(&mut self, code: &'static str, span: Span, summary: impl Into<String>) {
        self.push(Diagnostic::error(code, summary).at(span));
    }
}
