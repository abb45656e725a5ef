//! What the parser of the command line has to say, in words that do nothing to a terminal.

use crate::report::text::clean_line;
use clap::error::{ContextKind, ContextValue};
use std::error::Error as _;

/// The text of help or of a mistake. What the user typed is in it with its control characters made visible.
pub fn text(mut error: clap::Error, coloured: bool) -> String {
    let typed: Vec<(ContextKind, ContextValue)> =
        error.context().filter_map(|(kind, value)| Some((kind, cleaned(value)?))).collect();
    for (kind, value) in typed {
        error.insert(kind, value);
    }
    let text = error.render();
    // Why a value is refused is told by whoever reads it, and may quote it.
    let quotes =
        error.source().is_some_and(|source| source.to_string().contains(|c: char| c.is_control() && c != '\n'));
    if coloured && !quotes { text.ansi().to_string() } else { text.to_string() }
}

fn cleaned(value: &ContextValue) -> Option<ContextValue> {
    match value {
        ContextValue::String(text) => Some(ContextValue::String(clean_line(text))),
        ContextValue::Strings(texts) => {
            Some(ContextValue::Strings(texts.iter().map(|text| clean_line(text)).collect()))
        }
        _ => None,
    }
}
