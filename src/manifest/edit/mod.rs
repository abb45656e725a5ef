//! Changes of a manifest's text. Everything that is not changed stays as it was written, byte by byte: comments, order, quotes.
//!
//! Nothing is emitted anew. A value is replaced at its place, a key is put below its block's name, a block behind the last one.
//! What cannot be changed in that way without touching something else is refused, with its place and the way out. Whoever uses
//! this reads the result again and compares; a text that came out wrong is not written.

mod blocks;
mod values;
mod yaml;

pub use blocks::NewBlock;
pub use values::of_defaults;
pub use yaml::Yaml;

use super::node::{Node, Value};
use super::parse;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use std::ops::Range;

/// One text under change.
pub struct Editor<'a> {
    text: &'a str,
    root: Node,
    /// Where what is to stand instead; ranges do not overlap.
    edits: Vec<(Range<usize>, String)>,
}

/// Why a text cannot be changed. Boxed, so that the good path does not carry a diagnostic's size around.
pub type Refused = Box<Diagnostic>;

impl<'a> Editor<'a> {
    /// Reads a text; none if it is not one document of YAML.
    pub fn new(text: &'a str, source: SourceId) -> Option<Self> {
        let root = parse::parse(text, source, &mut Diagnostics::default()).root?;
        Some(Self { text, root, edits: Vec::new() })
    }

    /// Whether the text has a key at the top.
    pub fn has(&self, key: &str) -> bool {
        self.root.entry(key).is_some()
    }

    /// The text with all changes.
    pub fn finish(mut self) -> String {
        // Insertions at one place stay in the order in which they were asked for.
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len());
        let mut from = 0;
        for (range, new) in self.edits {
            out.push_str(&self.text[from..range.start]);
            out.push_str(&new);
            from = range.end;
        }
        out.push_str(&self.text[from..]);
        out
    }

    /// The line break of this text.
    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// First byte of the line that holds `at`.
    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// First byte of the line after the one that holds `at`; the end of the text if there is none.
    fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// How far the line of `at` is indented before `at`.
    fn column(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].chars().count()
    }

    fn written_at(&self, node: &Node) -> &'a str {
        self.text.get(self.range(node)).unwrap_or_default()
    }

    fn written(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Where a scalar, or a list or map in brackets, stands; from its first byte to one past its last. The parser's own end of
    /// brackets is not to be relied on where a comma or a comment stands before the closing one.
    fn range(&self, node: &Node) -> Range<usize> {
        let start = node.span.start as usize;
        let from = match &node.value {
            Value::List(items) if self.is_flow(node) => items.last().map(|last| self.range(last).end),
            Value::Map(entries) if self.is_flow(node) => {
                entries.last().map(|last| self.range(&last.value).end.max(last.key_span.end as usize))
            }
            _ => return start..node.span.end as usize,
        };
        let mut at = from.unwrap_or(start + 1);
        while let Some(c) = self.text[at..].chars().next() {
            match c {
                ']' | '}' => return start..at + 1,
                '#' => at = self.next_line(at),
                c => at += c.len_utf8(),
            }
        }
        start..node.span.end as usize
    }

    /// Whether a list or map is written with brackets.
    fn is_flow(&self, node: &Node) -> bool {
        self.written(node.span).starts_with(['{', '['])
    }

    /// Whether the value came through an alias.
    fn is_alias(&self, node: &Node) -> bool {
        self.text.get(node.span.start as usize..).is_some_and(|rest| rest.starts_with('*'))
            && !matches!(&node.value, Value::Scalar(scalar) if scalar.text.starts_with('*'))
    }

    /// Whether other places may stand for the value, by an anchor before it.
    fn is_anchored(&self, node: &Node) -> bool {
        if self.written(node.span).starts_with('&') {
            return true;
        }
        let before = self.text[..node.span.start as usize].trim_end();
        before.rsplit([' ', '\n', '\t']).next().is_some_and(|word| word.starts_with('&'))
    }
}

#[cfg(test)]
mod tests;
