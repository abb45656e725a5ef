//! A manifest's text in the common form: indented by two, one space where one is enough, no blank lines in a row.
//!
//! Tokens are laid out anew on the lines on which they stand; nothing is emitted from the tree. So what is not layout cannot
//! change: comments, the order of keys, where a line ends, and how a value is written, but for single quotes, which become
//! double ones where both mean the same. The result is read again and compared with what was there; a text of which the layout
//! would change anything is refused and left alone.

mod layout;
mod tokens;

use super::node::{Node, Value};
use super::parse;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use tokens::{Kind, Token};

/// A text in the common form, and where it has passwords that are not to be shown. No text if it cannot be read as YAML, or
/// cannot be laid out; why is in `diagnostics`.
pub fn format(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> (Option<String>, Vec<Span>) {
    let mut found = Diagnostics::default();
    let parsed = parse::parse_part(text, source, &mut found);
    if parsed.is_empty && text.trim().is_empty() {
        return (Some(text.to_owned()), Vec::new());
    }
    let root = parsed.root.filter(|_| !found.has_errors());
    diagnostics.extend(found);
    (root.and_then(|root| laid_out(&root, text, source, diagnostics)), parsed.secrets)
}

fn laid_out(root: &Node, text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Option<String> {
    // Layout knows one kind of line break; the text gets back the one that it had.
    let breaks = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let plain = text.replace("\r\n", "\n");
    let formatted = tokens::read(&plain).and_then(|tokens| {
        let out = layout::lay_out(&tokens);
        is_same(root, &tokens, &out, source).then_some(out)
    });
    match formatted {
        Some(out) => Some(if breaks == "\n" { out } else { out.replace('\n', breaks) }),
        None => {
            let diagnostic = Diagnostic::error(
                "not-formattable",
                "this text cannot be laid out without changing what it says",
            )
            .at(Span { source, start: 0, end: 0 })
            .help("explicit keys (`? `), directives (`%`) and lone carriage returns are left to be written by hand");
            diagnostics.push(diagnostic);
            None
        }
    }
}

/// Whether a text means the same, and has the same comments at the same places between the same values.
fn is_same(root: &Node, tokens: &[Token<'_>], out: &str, source: SourceId) -> bool {
    let mut found = Diagnostics::default();
    let again = parse::parse_part(out, source, &mut found).root;
    let means_the_same = !found.has_errors() && again.is_some_and(|again| equal(root, &again));
    means_the_same && tokens::read(out).is_some_and(|after| comments(tokens) == comments(&after))
}

fn equal(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Scalar(one), Value::Scalar(other)) => one.text == other.text && one.quoted == other.quoted,
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len()
                && pairs
                    .into_iter()
                    .all(|(one, other)| one.key.text == other.key.text && equal(&one.value, &other.value))
        }
        _ => false,
    }
}

/// Each comment with the number of values before it, and whether it has a line of its own.
fn comments<'a>(tokens: &'a [Token<'_>]) -> Vec<(usize, bool, &'a str)> {
    let mut values = 0;
    let mut found = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Comment => found.push((values, token.lines_before > 0 || values == 0, token.text)),
            Kind::Scalar(_) | Kind::Alias => values += 1,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
