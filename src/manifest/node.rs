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
    /// Whether it was written in quotes or as a block, which makes it a string whatever it looks like.
    pub quoted: bool,
}

/// What YAML 1.2 takes a scalar for (core schema).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarKind {
    /// Nothing: `null`, `~`, or no text at all.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Anything else. `yes`, `no`, `on` and `off` among it.
    String,
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
    /// What the node is, for people: `a number`, `a list`.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind.describe(),
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
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
    /// What it is, for people.
    pub fn describe(self) -> &'static str {
        match self {
            ScalarKind::Null => "nothing",
            ScalarKind::Boolean(_) => "a boolean",
            ScalarKind::Integer(_) | ScalarKind::Float(_) => "a number",
            ScalarKind::String => "a string",
        }
    }
}
