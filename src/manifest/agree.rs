//! A second reader for every manifest of ordinary size: serde_yaml has to see the tree that we see.
//!
//! Money is spent by what a manifest says. Where two readers of YAML understand a text in two ways, people do too.

use super::node::{Node, ScalarKind, Value};
use crate::diag::{Diagnostic, Span};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;

/// Larger texts are not read twice: at 4 MB the second reading would take longer than all the rest of a plan. They are
/// made by programs, which do not write the corners of YAML where readers differ.
const SECOND_READER_BYTES_MAX: usize = 1 << 20;

/// Compares serde_yaml's reading of `text` with `root`.
pub(super) fn check(text: &str, root: &Node) -> Result<(), Box<Diagnostic>> {
    if text.len() > SECOND_READER_BYTES_MAX {
        return Ok(());
    }
    compare(text, root)
}

/// The comparison, whatever the size.
pub(super) fn compare(text: &str, root: &Node) -> Result<(), Box<Diagnostic>> {
    let differs = Cell::new(None);
    let seed = Same { node: root, differs: &differs };
    let Err(error) = seed.deserialize(serde_yaml::Deserializer::from_str(text)) else { return Ok(()) };
    let diagnostic = Diagnostic::error("yaml-ambiguous", "two YAML readers understand this in two ways")
        .help("write the value in quotes, or in the plainest form of YAML");
    Err(Box::new(match differs.get() {
        Some(node) => diagnostic.at(node.span).label(format!("{} to one of them", node.describe())),
        None => diagnostic.at(place(text, root, &error)).detail(format!("One of them reports: {error}.")),
    }))
}

/// The byte at which serde_yaml stopped; the whole text where it does not say.
fn place(text: &str, root: &Node, error: &serde_yaml::Error) -> Span {
    let Some(location) = error.location() else { return root.span };
    let at = location.index().min(text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    Span { source: root.span.source, start: at, end: at }
}

/// Reads one value and compares it with a node.
#[derive(Clone, Copy)]
struct Same<'n, 'c> {
    node: &'n Node,
    differs: &'c Cell<Option<&'n Node>>,
}

impl Same<'_, '_> {
    fn verdict<E: Error>(self, same: bool) -> Result<(), E> {
        if same {
            return Ok(());
        }
        self.differs.set(Some(self.node));
        Err(E::custom("it differs"))
    }

    fn kind(self) -> Option<ScalarKind> {
        self.node.scalar().map(|scalar| scalar.kind)
    }
}

impl<'de> DeserializeSeed<'de> for Same<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Same<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.node.describe())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.verdict(self.kind() == Some(ScalarKind::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.verdict(self.kind() == Some(ScalarKind::Boolean(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.verdict(self.kind() == Some(ScalarKind::of_unsigned(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.verdict(self.kind() == Some(ScalarKind::Integer(value)))
    }

    // Beyond 64 bits a number is no integer to serde_yaml's own values, which is what types our scalars.
    fn visit_u128<E: Error>(self, _value: u128) -> Result<(), E> {
        self.verdict(matches!(self.kind(), Some(ScalarKind::Float(_) | ScalarKind::String)))
    }

    fn visit_i128<E: Error>(self, _value: i128) -> Result<(), E> {
        self.verdict(matches!(self.kind(), Some(ScalarKind::Float(_) | ScalarKind::String)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // Bits, since not-a-number is one thing to both readers.
        self.verdict(matches!(self.kind(), Some(ScalarKind::Float(ours)) if ours.to_bits() == value.to_bits()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        let same = self.node.scalar().is_some_and(|scalar| scalar.kind == ScalarKind::String && scalar.text == value);
        self.verdict(same)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Value::List(items) = &self.node.value else { return self.verdict(false) };
        for item in items {
            if list.next_element_seed(Same { node: item, ..self })?.is_none() {
                return self.verdict(false);
            }
        }
        self.verdict(list.next_element::<serde::de::IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Value::Map(entries) = &self.node.value else { return self.verdict(false) };
        for entry in entries {
            // A key of any type has a text; typing does not matter where only texts are keys.
            let Some(Text(key)) = map.next_key()? else { return self.verdict(false) };
            if key != entry.key.text {
                return self.verdict(false);
            }
            map.next_value_seed(Same { node: &entry.value, ..self })?;
        }
        self.verdict(map.next_key::<serde::de::IgnoredAny>()?.is_none())
    }
}

/// Any scalar as its text.
struct Text(String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
