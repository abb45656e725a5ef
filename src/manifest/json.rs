//! Variables in a JSON file, as the tree that a YAML file makes.
//!
//! JSON is not quite a subset of what YAML readers accept: programs write a character outside of the basic plane as two
//! escapes (a surrogate pair), which the YAML parser refuses. So files that end in `.json` are read as JSON.

use super::node::{Entry, Node, Scalar, ScalarKind, Value};
use super::parse::{DEPTH_MAX, too_deep};
use super::scalar::Typing;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::{Range, Ranged as _};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::collections::HashMap;

/// Strict JSON: nothing that another reader would refuse.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Parses one text; a problem goes to the diagnostics. An empty text is an empty map.
pub(super) fn parse(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut reader = Reader { source, typing: Typing::default(), diagnostics };
    match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => match parsed.value {
            Some(value) => Some(reader.node(value, 0)),
            None => Some(Node { span: reader.span(Range::new(0, 0)), value: Value::Map(Vec::new()) }),
        },
        Err(error) => {
            let span = reader.span(error.range());
            reader.diagnostics.push(Diagnostic::error("json", format!("this is not JSON: {}", error.kind())).at(span));
            None
        }
    }
}

struct Reader<'d> {
    source: SourceId,
    typing: Typing,
    diagnostics: &'d mut Diagnostics,
}

impl Reader<'_> {
    fn span(&self, range: Range) -> Span {
        let bytes = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { source: self.source, start: bytes(range.start), end: bytes(range.end) }
    }

    fn node(&mut self, json: Json<'_>, depth: usize) -> Node {
        let span = self.span(json.range());
        if depth > DEPTH_MAX {
            self.diagnostics.push(too_deep(span));
            return Node::refused(span);
        }
        let value = match json {
            Json::StringLit(text) => scalar(text.value.into_owned(), ScalarKind::String, true),
            Json::NumberLit(number) => scalar(number.value.to_owned(), self.typing.plain(number.value), false),
            Json::BooleanLit(boolean) => scalar(boolean.value.to_string(), ScalarKind::Boolean(boolean.value), false),
            Json::NullKeyword(_) => scalar("null".to_owned(), ScalarKind::Null, false),
            Json::Array(array) => {
                Value::List(array.elements.into_iter().map(|element| self.node(element, depth + 1)).collect())
            }
            Json::Object(object) => {
                let mut entries = Vec::with_capacity(object.properties.len());
                let mut seen: HashMap<String, Span> = HashMap::new();
                for property in object.properties {
                    let key_span = self.span(match &property.name {
                        ObjectPropName::String(name) => name.range,
                        ObjectPropName::Word(name) => name.range,
                    });
                    let text = property.name.into_string();
                    let value = self.node(property.value, depth + 1);
                    if let Some(first) = seen.get(&text) {
                        self.diagnostics.push(duplicate_key(&text, key_span, *first));
                        continue;
                    }
                    seen.insert(text.clone(), key_span);
                    let kind = ScalarKind::String;
                    let key = Scalar { text, kind, quoted: true, verbatim: false, expression: None };
                    entries.push(Entry { key, key_span, value });
                }
                Value::Map(entries)
            }
        };
        Node { span, value }
    }
}

/// The error for a key that a map has twice. Readers that let the last one win lose what the first one says.
pub(super) fn duplicate_key(key: &str, second: Span, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("this map has the key `{key}` twice"))
        .at(second)
        .label("again here")
        .related(first, "first here")
}

fn scalar(text: String, kind: ScalarKind, quoted: bool) -> Value {
    Value::Scalar(Scalar { text, kind, quoted, verbatim: false, expression: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<serde_json::Value, Vec<String>> {
        let mut diagnostics = Diagnostics::default();
        let node = parse(text, SourceId(0), &mut diagnostics);
        match node.filter(|_| diagnostics.is_empty()) {
            Some(node) => Ok(node.to_json()),
            None => Err(diagnostics.iter().map(|one| one.summary.clone()).collect()),
        }
    }

    #[test]
    fn reads_what_programs_write() {
        let text = r#"{"s":"\ud83d\ude00 \/ \u00e9","n":[1,-2,1.5e3,true,null],"m":{"k":"NO"}}"#;
        let expected = json!({"s": "😀 / é", "n": [1, -2, 1500.0, true, null], "m": {"k": "NO"}});
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(" \n"), Ok(json!({})));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in
            ["{\"a\":1,}", "{a:1}", "// no\n{}", "{'a':1}", "{\"a\":1} {}", "{\"a\": +1}", "[1 2]", "{\"a\":NaN}"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        for depth in [100, 500, 100_000] {
            assert!(read(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).is_err(), "{depth}");
        }
        assert_eq!(read(r#"{"a":1,"b":{"c":1,"c":2}}"#), Err(vec!["this map has the key `c` twice".to_owned()]));
    }

    #[test]
    fn agrees_with_another_reader() {
        for text in [r#"{"a":"\"\\\n\t","b":0.1,"c":18446744073709551615,"d":-1}"#, r#"{"":""}"#] {
            let expected: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text).map(|json| json.to_string()), Ok(expected.to_string()), "{text}");
        }
    }
}
