//! `outputs`: values to tell after an apply, made of what the instances got. Checked with the manifest, worked out later.

use super::depend::{BlockOutline, Shape};
use super::expand::Context;
use super::problems::Problems;
use super::spec::{Place, Scope, in_text};
use crate::diag::{Diagnostic, did_you_mean};
use crate::manifest::Manifest;
use crate::manifest::node::{Node, Scalar, ScalarKind, Value as Tree};
use crate::manifest::schema::Text;
use crate::manifest::template::{Name, Part, Step, name, parts, written};
use crate::model::{Address, Key};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What an instance has, by the names that `show --json` uses: those of its attributes stand also by themselves.
const ATTRIBUTES: [&str; 21] = [
    "address",
    "attributes",
    "blueprint_id",
    "bundle_id",
    "created_time",
    "expired_time",
    "instance_id",
    "instance_name",
    "isolated_time",
    "key_ids",
    "predecessor",
    "private_addresses",
    "protect",
    "public_addresses",
    "renew_flag",
    "restrict_state",
    "seen",
    "spec",
    "state",
    "tags",
    "zone",
];

/// A value that is worked out once the instances run.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Known from the start.
    Value(Value),
    /// Something of an instance, of whatever type.
    Whole(Reference),
    /// A text with such things in it.
    Text(Vec<Piece>),
    /// Several.
    List(Vec<Output>),
    /// Several with names.
    Map(Vec<(String, Output)>),
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Literal(String),
    /// Something of an instance.
    Reference(Reference),
}

/// Something of one instance, or of all of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which instances.
    pub which: Which,
    /// The way into what is known of an instance.
    pub steps: Vec<Step>,
}

/// Which instances are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One.
    One(Address),
    /// All of a block, in order: a list.
    All(String),
}

/// What is known of the instances, by address.
pub type Known = BTreeMap<Address, Value>;

impl Output {
    /// The value; null where an instance is not there or has no such thing yet.
    pub fn evaluate(&self, known: &Known) -> Value {
        match self {
            Output::Value(value) => value.clone(),
            Output::Whole(reference) => reference.evaluate(known),
            Output::List(items) => items.iter().map(|item| item.evaluate(known)).collect(),
            Output::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.evaluate(known))).collect())
            }
            Output::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => text.push_str(literal),
                        Piece::Reference(reference) => match reference.evaluate(known) {
                            // Half a text would look like a whole one.
                            Value::Null => return Value::Null,
                            Value::String(value) => text.push_str(&value),
                            other => text.push_str(&other.to_string()),
                        },
                    }
                }
                Value::String(text)
            }
        }
    }

    /// As the manifest writes it, variables worked out.
    pub fn to_json(&self) -> Value {
        match self {
            Output::Value(value) => value.clone(),
            Output::Whole(reference) => Value::String(reference.written()),
            Output::Text(pieces) => Value::String(
                pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Literal(literal) => literal.replace("${", "$${"),
                        Piece::Reference(reference) => reference.written(),
                    })
                    .collect(),
            ),
            Output::List(items) => items.iter().map(Output::to_json).collect(),
            Output::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }
}

impl Reference {
    fn evaluate(&self, known: &Known) -> Value {
        match &self.which {
            Which::One(address) => known.get(address).map_or(Value::Null, |instance| reach(instance, &self.steps)),
            Which::All(block) => {
                let first = Address::single(block);
                let of_block = known.range(first..).take_while(|(address, _)| address.block == *block);
                of_block.map(|(_, instance)| reach(instance, &self.steps)).collect()
            }
        }
    }

    fn written(&self) -> String {
        let steps = written(&self.steps);
        match &self.which {
            Which::One(address) => format!("${{instances.{address}{steps}}}"),
            Which::All(block) => format!("${{instances.{block}[*]{steps}}}"),
        }
    }
}

fn reach(value: &Value, steps: &[Step]) -> Value {
    let Some((step, rest)) = steps.split_first() else { return value.clone() };
    match step {
        Step::Key(key) => value.get(key).map_or(Value::Null, |value| reach(value, rest)),
        Step::Index(index) => value.get(*index as usize).map_or(Value::Null, |value| reach(value, rest)),
        Step::All => value.as_array().map_or(Value::Null, |items| items.iter().map(|item| reach(item, rest)).collect()),
    }
}

/// Reads and checks the outputs.
pub(super) fn decode(
    manifest: &Manifest,
    context: &Context<'_>,
    outlines: &[BlockOutline<'_>],
    problems: &mut Problems<'_>,
) -> BTreeMap<String, Output> {
    if manifest.outputs.is_empty() {
        return BTreeMap::new();
    }
    let shapes = outlines.iter().map(|outline| (outline.name.value.as_str(), Shape::of(&outline.members))).collect();
    let mut decoder = Decoder { scope: Scope { context, block: "", place: Place::Stack }, shapes, problems };
    let mut outputs = BTreeMap::new();
    for (name, node) in &manifest.outputs {
        decoder.check_name(name);
        if let Some(output) = decoder.output(node) {
            outputs.insert(name.value.clone(), output);
        }
    }
    outputs
}

struct Decoder<'a, 'p, 'd> {
    scope: Scope<'a>,
    shapes: HashMap<&'a str, Shape<'a>>,
    problems: &'p mut Problems<'d>,
}

impl Decoder<'_, '_, '_> {
    fn check_name(&mut self, name: &Text) {
        let good = name.value.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !good {
            self.problems.push(
                Diagnostic::error("output-name", format!("`{}` cannot be the name of an output", name.value))
                    .at(name.span)
                    .help("it has letters, digits and `_`, the first a letter: it can be a variable of a shell"),
            );
        }
    }

    fn output(&mut self, node: &Node) -> Option<Output> {
        match &node.value {
            Tree::List(items) => Some(Output::List(items.iter().filter_map(|item| self.output(item)).collect())),
            Tree::Map(entries) => {
                let entries =
                    entries.iter().filter_map(|entry| Some((entry.key.text.clone(), self.output(&entry.value)?)));
                Some(Output::Map(entries.collect()))
            }
            Tree::Scalar(Scalar { kind: ScalarKind::Refused, .. }) => None,
            Tree::Scalar(scalar) if scalar.kind == ScalarKind::String && !scalar.verbatim => {
                self.text(&Text { value: scalar.text.clone(), span: node.span, quoted: true, verbatim: false })
            }
            Tree::Scalar(_) => Some(Output::Value(node.to_json())),
        }
    }

    fn text(&mut self, text: &Text) -> Option<Output> {
        let parts = parts(&text.value);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut good = true;
        for part in &parts {
            let Part::Expression(expression) = part else {
                // An unclosed one is reported with the rest of the text.
                let Part::Literal(literal) = part else {
                    return self.scope.text(text, self.problems).map(|_| Output::Value(Value::Null));
                };
                pieces.push(Piece::Literal((*literal).to_owned()));
                continue;
            };
            let Ok(Name::Instances(block, steps)) = name(expression) else {
                let one = Text { value: format!("${{{expression}}}"), ..text.clone() };
                match self.scope.text(&one, self.problems) {
                    Some(literal) => pieces.push(Piece::Literal(literal)),
                    None => good = false,
                }
                continue;
            };
            match self.reference(block, steps) {
                Ok(reference) => pieces.push(Piece::Reference(reference)),
                Err(problem) => {
                    self.problems.push_distinct(in_text(problem, text, expression), expression);
                    good = false;
                }
            }
        }
        if !good {
            return None;
        }
        Some(match pieces.as_slice() {
            [Piece::Reference(reference)] => Output::Whole(reference.clone()),
            pieces if pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))) => {
                let literals = pieces.iter().map(|piece| match piece {
                    Piece::Literal(literal) => literal.as_str(),
                    Piece::Reference(_) => "",
                });
                Output::Value(Value::String(literals.collect()))
            }
            _ => Output::Text(pieces),
        })
    }

    /// What `instances.block` and steps behind it name.
    #[expect(clippy::result_large_err, reason = "an error is rare, and is reported at once")]
    fn reference(&self, block: String, mut steps: Vec<Step>) -> Result<Reference, Diagnostic> {
        let error = |summary: String| Diagnostic::error("output", summary);
        let Some(shape) = self.shapes.get(block.as_str()) else {
            let diagnostic = error(format!("there is no instance `{block}`"));
            return Err(match did_you_mean(&block, self.shapes.keys().copied()) {
                Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                None => diagnostic,
            });
        };
        let several = |example: String| {
            error(format!("`{block}` is several instances"))
                .help(format!("name one, `${{instances.{example}.…}}`, or all, `${{instances.{block}[*].…}}`"))
        };
        let which = match (shape, steps.first()) {
            (Shape::Single, Some(Step::Index(_) | Step::All)) => {
                return Err(error(format!("`{block}` is one instance"))
                    .help(format!("write `${{instances.{block}.…}}`, without brackets")));
            }
            (Shape::Single, _) => Which::One(Address::single(&block)),
            (Shape::Count(_) | Shape::Keys(_), Some(Step::All)) => Which::All(block.clone()),
            (Shape::Count(count), Some(Step::Index(index))) if index < count => {
                Which::One(Address::indexed(&block, *index))
            }
            (Shape::Count(count), Some(Step::Index(index))) => {
                return Err(error(format!("`{block}` has no instance `{block}[{index}]`")).label(match count {
                    0 => "it has no instances now".to_owned(),
                    count => format!("it has `{block}[0]` to `{block}[{}]`", count - 1),
                }));
            }
            (Shape::Count(_), _) => return Err(several(format!("{block}[0]"))),
            (Shape::Keys(keys), Some(Step::Key(key))) if keys.contains_key(key.as_str()) => {
                Which::One(Address::named(&block, key))
            }
            (Shape::Keys(keys), Some(Step::Key(key))) => {
                let diagnostic = error(format!("`{block}` has no instance `{}`", Address::named(&block, key)));
                return Err(match did_you_mean(key, keys.keys().copied()) {
                    Some(near) => diagnostic.label(format!("did you mean `{}`?", Address::named(&block, near))),
                    None => diagnostic.help(format!("all of them are `{block}[*]`")),
                });
            }
            (Shape::Keys(_), _) => return Err(several(Address::named(&block, "key").to_string())),
        };
        if !matches!(&which, Which::One(Address { key: Key::Single, .. })) {
            steps.remove(0);
        }
        match steps.first() {
            Some(Step::Key(key)) if ATTRIBUTES.contains(&key.as_str()) => Ok(Reference { which, steps }),
            Some(Step::Key(key)) => {
                let diagnostic = error(format!("an instance has no `{key}`"));
                Err(match did_you_mean(key, ATTRIBUTES) {
                    Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                    None => {
                        diagnostic.help(format!("it has {}", ATTRIBUTES.map(|name| format!("`{name}`")).join(", ")))
                    }
                })
            }
            Some(Step::Index(_) | Step::All) => Err(error("an instance is no list".into())),
            None => Ok(Reference { which, steps }),
        }
    }
}
