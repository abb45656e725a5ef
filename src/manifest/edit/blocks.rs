//! New blocks behind the last one of `instances`.

use super::yaml::scalar;
use super::{Editor, Refused, Yaml};
use crate::diag::{Diagnostic, Span};
use crate::manifest::node::{Entry, Value};
use std::fmt::Write as _;

/// A block to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    /// Its name.
    pub name: String,
    /// Its keys, in this order.
    pub keys: Vec<(&'static str, Yaml)>,
}

/// How far what stands in a map is indented where nothing shows it.
const INDENT: usize = 2;

impl Editor<'_> {
    /// Adds blocks, below a comment of `heading` (one line for each).
    ///
    /// # Errors
    /// When the text has no `instances`, or has them in a form behind which nothing can be put.
    pub fn add_blocks(&mut self, heading: &[&str], blocks: &[NewBlock]) -> Result<(), Refused> {
        let Some(found) = self.root.entry("instances") else {
            return Err(refused(self.root.span, "this file has no `instances`").into());
        };
        let Value::Map(entries) = &found.value.value else {
            return Err(refused(found.key_span, "`instances` is not a map").into());
        };
        if self.is_alias(&found.value) {
            let what = "`instances` stands for a value that is written elsewhere, and nothing can be added to it";
            return Err(refused(found.value.span, what).into());
        }
        if self.is_flow(&found.value) {
            if !entries.is_empty() {
                let what = "`instances` is written in braces, and blocks cannot be added there";
                let help = "write `instances:` alone on its line and each block indented below it";
                return Err(refused(found.value.span, what).help(help).into());
            }
            let outer = self.column(found.key_span.start as usize) + INDENT;
            let mut text = self.written_blocks(heading, blocks, outer, INDENT);
            let (braces, at) = (self.empty_braces(found), self.next_line(found.value.span.end as usize));
            if !self.text[..at].ends_with('\n') {
                text.insert_str(0, self.newline());
            }
            self.edits.extend([(braces, String::new()), (at..at, text)]);
            return Ok(());
        }
        let Some(first) = entries.first() else {
            return Err(refused(found.key_span, "`instances` has no value").help("write `instances: {}`").into());
        };
        let outer = self.column(first.key_span.start as usize);
        let inner = entries.iter().find_map(|entry| self.indent_below(entry)).unwrap_or(INDENT);
        let mut text = self.written_blocks(heading, blocks, outer, inner);
        let at = self.end_of_instances(found);
        if !self.text[..at].ends_with('\n') {
            text.insert_str(0, self.newline());
        }
        self.edits.push((at..at, text));
        Ok(())
    }

    /// `{}`, and the blanks before it unless a comment follows.
    fn empty_braces(&self, found: &Entry) -> std::ops::Range<usize> {
        let (start, end) = (found.value.span.start as usize, found.value.span.end as usize);
        let follows = !self.text[end..self.next_line(end)].trim().is_empty();
        let blanks = start - self.text[..start].trim_end_matches([' ', '\t']).len();
        if follows { start..end } else { start - blanks..end }
    }

    /// How far the keys of a block are indented below its name, where they stand on lines of their own.
    fn indent_below(&self, block: &Entry) -> Option<usize> {
        let Value::Map(entries) = &block.value.value else { return None };
        let first = entries.first().filter(|_| !self.is_flow(&block.value) && !self.is_alias(&block.value))?;
        self.column(first.key_span.start as usize).checked_sub(self.column(block.key_span.start as usize))
    }

    /// Where the next thing at the top begins, with the comments and blank lines before it; else the end of the text.
    fn end_of_instances(&self, found: &Entry) -> usize {
        let Value::Map(top) = &self.root.value else { return self.text.len() };
        let next = top.iter().map(|entry| entry.key_span.start).filter(|start| *start > found.key_span.start).min();
        let mut at = match next {
            Some(start) => self.line_start(start as usize),
            None => self.end_of_document(),
        };
        // A comment that is not indented speaks of what follows.
        while at > 0 {
            let line = self.line_start(at - 1);
            let text = self.text[line..at].trim_end();
            if line <= found.key_span.start as usize || !(text.is_empty() || text.starts_with('#')) {
                break;
            }
            if next.is_none() && text.starts_with('#') {
                break;
            }
            at = line;
        }
        at
    }

    /// Where the document's end is marked, if it is; else the end of the text.
    fn end_of_document(&self) -> usize {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            if line.trim_end() == "..." {
                return at;
            }
            at += line.len();
        }
        at
    }

    fn written_blocks(&self, heading: &[&str], blocks: &[NewBlock], outer: usize, inner: usize) -> String {
        let newline = self.newline();
        let mut text = String::new();
        for line in heading {
            let _ = write!(text, "{:outer$}# {line}{newline}", "");
        }
        for block in blocks {
            let _ = write!(text, "{:outer$}{}:{newline}", "", scalar(&block.name));
            for (key, value) in &block.keys {
                let _ = write!(text, "{:1$}{key}: {2}{newline}", "", outer + inner, value.to_text());
            }
        }
        text
    }
}

fn refused(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("not-editable", what).at(span)
}
