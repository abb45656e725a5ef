//! The tree that a YAML text stands for, every node with its place.

use crate::diag::Span;

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it was written; for a value that came through an alias, where the alias stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written, each key once.
    Map(Vec<Entry>),
}

/// A scalar: its text, and what YAML 1.2 takes it for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text without quotes, escapes resolved.
    pub text: String,
    /// What it is taken for.
    pub kind: ScalarKind,
    /// Whether it was written in quotes or as a block, which makes it a string whatever it looks like. For what an
    /// expression stands for: whether the expression was.
    pub quoted: bool,
    /// Whether `${…}` in it is no expression: it comes from a variable or from `each`.
    pub verbatim: bool,
    /// The expression that it stands for, without `${` and `}`.
    pub expression: Option<Box<str>>,
}

/// What YAML 1.2 takes a scalar for (core schema).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarKind {
    /// Nothing: `null`, `~`, or no text at all.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number beyond those.
    Large(u64),
    /// Any other number.
    Float(f64),
    /// Anything else. `yes`, `no`, `on` and `off` among it.
    String,
    /// An expression that stands for nothing, which was reported: no more is said of it.
    Refused,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// Where the key was written.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// What stands for a value that could not be worked out.
    pub(super) fn refused(span: Span) -> Self {
        Self::verbatim(String::new(), ScalarKind::Refused, span)
    }

    /// A text in which nothing is worked out.
    pub(super) fn text(text: &str, span: Span) -> Self {
        Self::verbatim(text.to_owned(), ScalarKind::String, span)
    }

    fn verbatim(text: String, kind: ScalarKind, span: Span) -> Self {
        let scalar = Scalar { text, kind, quoted: false, verbatim: true, expression: None };
        Self { span, value: Value::Scalar(scalar) }
    }

    /// What the node is, for people: `a number`, `a list`.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind.describe(),
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The entry of a key, where the node is a map.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key.text == key),
            _ => None,
        }
    }

    /// The value without its places. What was refused is null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.text.clone(), entry.value.to_json())).collect())
            }
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null | ScalarKind::Refused => Json::Null,
                ScalarKind::Boolean(value) => Json::from(value),
                ScalarKind::Float(value) => Json::from(value),
                ScalarKind::Integer(value) => Json::from(value),
                ScalarKind::Large(value) => Json::from(value),
                ScalarKind::String => Json::from(scalar.text.as_str()),
            },
        }
    }

    /// The scalar, where it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

impl ScalarKind {
    /// A whole number.
    pub(super) fn of_unsigned(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Large(value), Self::Integer)
    }

    /// The whole number that it is.
    pub fn integer(self) -> Option<i128> {
        match self {
            Self::Integer(value) => Some(value.into()),
            Self::Large(value) => Some(value.into()),
            _ => None,
        }
    }

    /// What it is, for people.
    pub fn describe(self) -> &'static str {
        match self {
            ScalarKind::Null | ScalarKind::Refused => "nothing",
            ScalarKind::Boolean(_) => "a boolean",
            ScalarKind::Integer(_) | ScalarKind::Large(_) | ScalarKind::Float(_) => "a number",
            ScalarKind::String => "a string",
        }
    }
}
