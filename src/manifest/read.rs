//! Reads nodes as the types that are wanted, and reports every one that is not of its type.

use super::keys::Keys;
use super::node::{Entry, Node, Scalar, ScalarKind, Value};
use super::schema::{Integer, Text, TextSource};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned, did_you_mean};
use crate::model::time::parse_duration;
use std::time::Duration;

/// Reads nodes; what is wrong goes to the diagnostics, and the reading goes on.
pub(super) struct Reader<'d> {
    pub(super) diagnostics: &'d mut Diagnostics,
}

impl Reader<'_> {
    /// The entries of a map whose keys are understood; the others are reported.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        keys: &'static Keys,
    ) -> Option<Vec<(&'static str, &'n Entry)>> {
        let entries = self.map(node)?;
        Some(entries.iter().filter_map(|entry| Some((self.known_key(entry, keys)?, entry))).collect())
    }

    fn known_key(&mut self, entry: &Entry, keys: &'static Keys) -> Option<&'static str> {
        let (key, place) = (&entry.key.text, keys.place);
        if let Some(known) = keys.known.iter().find(|known| *known == key) {
            return Some(known);
        }
        if keys.later.contains(&key.as_str()) {
            self.diagnostics.push(
                Diagnostic::error("not-supported", format!("`{key}` is not supported by this version of lhprov"))
                    .at(entry.key_span)
                    .detail("It is refused, since leaving it out would not do what this manifest says."),
            );
            return None;
        }
        let diagnostic =
            Diagnostic::error("unknown-key", format!("there is no key `{key}` {place}")).at(entry.key_span);
        if self.diagnostics.is_full() {
            self.diagnostics.push(diagnostic);
            return None;
        }
        self.diagnostics.push(match did_you_mean(key, keys.known.iter().chain(keys.later).copied()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("the keys {place} are {}", list_of(keys.known))),
        });
        None
    }

    /// A map with keys of the user's own.
    pub(super) fn map<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(node, "a map");
                None
            }
        }
    }

    /// A map of texts to texts.
    pub(super) fn texts_by_key(&mut self, node: &Node) -> Option<Vec<(Text, Text)>> {
        let entries = self.map(node)?;
        Some(entries.iter().filter_map(|entry| Some((self.key(entry)?, self.text(&entry.value)?))).collect())
    }

    /// A key of the user's own as a text.
    pub(super) fn key(&mut self, entry: &Entry) -> Option<Text> {
        if entry.key.text.contains("${") && !entry.key.verbatim {
            self.diagnostics.push(
                Diagnostic::error("interpolation", "nothing is worked out in a key")
                    .at(entry.key_span)
                    .help("`${…}` stands in values; a whole map can come from a variable"),
            );
            return None;
        }
        self.scalar_text(&entry.key, entry.key_span)
    }

    /// A list; entries that cannot be read are left out.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        mut item: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        match &node.value {
            Value::List(items) => Some(items.iter().filter_map(|node| item(self, node)).collect()),
            _ => {
                self.wrong_type(node, "a list");
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, node: &Node) -> Option<Text> {
        match &node.value {
            Value::Scalar(scalar) => self.scalar_text(scalar, node.span),
            // Without quotes YAML reads `${x}` inside `{…}` or `[…]` as a map of its own.
            _ => {
                self.wrong_type(node, "a string");
                None
            }
        }
    }

    fn scalar_text(&mut self, scalar: &Scalar, span: Span) -> Option<Text> {
        if scalar.kind == ScalarKind::String {
            let Scalar { text, quoted, verbatim, .. } = scalar;
            return Some(Text { value: text.clone(), span, quoted: *quoted, verbatim: *verbatim });
        }
        // A number that an expression in quotes stands for is wanted as a text.
        if let (
            Some(_),
            true,
            ScalarKind::Integer(_) | ScalarKind::Large(_) | ScalarKind::Float(_) | ScalarKind::Boolean(_),
        ) = (&scalar.expression, scalar.quoted, scalar.kind)
        {
            return Some(Text { value: scalar.text.clone(), span, quoted: true, verbatim: true });
        }
        if scalar.kind == ScalarKind::Refused {
            return None;
        }
        let diagnostic = wrong_type(span, "a string", scalar.kind.describe());
        self.diagnostics.push(match scalar.kind {
            ScalarKind::Null => diagnostic,
            _ => diagnostic.help(match &scalar.expression {
                Some(expression) => format!("write it in quotes: \"${{{expression}}}\""),
                None => format!("write it in quotes: \"{}\"", scalar.text),
            }),
        });
        None
    }

    /// A text, or `{file: PATH}`.
    pub(super) fn text_source(&mut self, node: &Node) -> Option<TextSource> {
        if !matches!(node.value, Value::Map(_)) {
            return self.text(node).map(TextSource::Inline);
        }
        self.file(node).map(TextSource::File)
    }

    /// The PATH of `{file: PATH}`.
    pub(super) fn file(&mut self, node: &Node) -> Option<Text> {
        let entries = self.entries(node, &super::keys::FILE)?;
        match entries.first() {
            Some((_, entry)) => self.text(&entry.value),
            None => {
                self.diagnostics.push(
                    Diagnostic::error("missing-key", "`file` is missing").at(node.span).help("write `{file: PATH}`"),
                );
                None
            }
        }
    }

    /// A whole number as written.
    pub(super) fn number(&mut self, node: &Node) -> Option<Spanned<i128>> {
        if let Some(value) = node.scalar().and_then(|scalar| scalar.kind.integer()) {
            return Some(Spanned { value, span: node.span });
        }
        match node.scalar().map(|scalar| (scalar, scalar.kind)) {
            Some((scalar, ScalarKind::String)) if scalar.text.parse::<i128>().is_ok() && scalar.quoted => {
                let text = scalar.text.trim_start_matches('+');
                let problem = wrong_type(node.span, "a whole number", "a string");
                self.diagnostics.push(match &scalar.expression {
                    Some(expression) => problem.help(format!("make `{expression}` a number where it gets its value")),
                    None => problem.help(format!("write it without quotes: {text}")),
                });
                None
            }
            _ => {
                self.wrong_type(node, "a whole number");
                None
            }
        }
    }

    /// A whole number, or a text that is one whole `${…}`.
    pub(super) fn integer(&mut self, node: &Node) -> Option<Integer> {
        match node.scalar() {
            Some(Scalar { text, kind: ScalarKind::String, quoted, verbatim: false, .. })
                if text.starts_with("${") && text.ends_with('}') =>
            {
                let text = Text { value: text.clone(), span: node.span, quoted: *quoted, verbatim: false };
                Some(Integer::Expression(text))
            }
            _ => self.number(node).map(Integer::Literal),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        if let Some(Scalar { kind: ScalarKind::Boolean(value), .. }) = node.scalar() {
            return Some(*value);
        }
        let own = node.scalar().filter(|scalar| scalar.expression.is_none());
        let written = own.map_or("", |scalar| &scalar.text).to_ascii_lowercase();
        let meant = match written.as_str() {
            "yes" | "y" | "on" | "true" => "true",
            "no" | "n" | "off" | "false" => "false",
            _ => {
                self.wrong_type(node, "`true` or `false`");
                return None;
            }
        };
        let diagnostic =
            wrong_type(node.span, "`true` or `false`", "a string").help(format!("write `{meant}`, without quotes"));
        self.diagnostics.push(if written == meant {
            diagnostic
        } else {
            diagnostic.detail(format!("YAML 1.2 reads `{written}` as a text; older readers took it for a boolean."))
        });
        None
    }

    /// A duration.
    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let examples = "a duration is a number and a unit: `90s`, `10m`, `1h`";
        match node.scalar() {
            Some(Scalar { text, kind: ScalarKind::String, .. }) => {
                let duration = parse_duration(text);
                if duration.is_none() {
                    self.diagnostics.push(
                        Diagnostic::error("duration", format!("`{text}` is not a duration"))
                            .at(node.span)
                            .help(examples),
                    );
                }
                duration
            }
            Some(Scalar { kind: ScalarKind::Refused, .. }) => None,
            _ => {
                self.diagnostics.push(wrong_type(node.span, "a duration", node.describe()).help(examples));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<Spanned<T>> {
        let text = self.text(node)?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            self.diagnostics.push(not_one_of(&text, what, words.iter().map(|(word, _)| *word)));
        }
        found.map(|(_, value)| Spanned { value: *value, span: text.span })
    }

    /// Reports that a required key is missing in a map that is not an instance.
    pub(super) fn missing(&mut self, span: Span, key: &str, keys: &Keys) {
        let summary = format!("`{key}` is missing {}", keys.place);
        self.diagnostics.push(Diagnostic::error("missing-key", summary).at(span));
    }

    pub(super) fn wrong_type(&mut self, node: &Node, wanted: &str) {
        if node.scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Refused) {
            return;
        }
        let diagnostic = wrong_type(node.span, wanted, node.describe());
        self.diagnostics.push(match (wanted, node.scalar()) {
            ("a map", Some(Scalar { kind: ScalarKind::Null, .. })) => diagnostic.help("an empty map is `{}`"),
            ("a list", Some(Scalar { kind: ScalarKind::Null, .. })) => diagnostic.help("an empty list is `[]`"),
            (_, Some(Scalar { expression: Some(_), .. })) => diagnostic,
            ("a list", Some(scalar)) if scalar.kind == ScalarKind::String && !scalar.text.contains(['"', '\n']) => {
                diagnostic.help(format!("a list of one is `[{}]`", scalar.text))
            }
            ("a string", None) => diagnostic.help("if `{…}` or `[…]` is meant as a text, write it in quotes"),
            _ => diagnostic,
        });
    }
}

fn wrong_type(span: Span, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::error("wrong-type", format!("expected {wanted}, found {found}")).at(span)
}

/// The diagnostic for a text that is none of a few words.
pub fn not_one_of<'a>(text: &Text, what: &str, words: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    let diagnostic = Diagnostic::error("unknown-value", format!("`{}` is not {what}", text.value)).at(text.span);
    match did_you_mean(&text.value, words.clone()) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("it is one of {}", list_of(&words.collect::<Vec<_>>()))),
    }
}

/// `a`, `b`, `c`.
pub(super) fn list_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
