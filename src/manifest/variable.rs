//! `variables`: what is declared, and which value each has. Defaults come first, then the environment, then `--var-file`,
//! then `--var`; of two in one place the later wins.

use super::json;
use super::keys::VARIABLE;
use super::node::{Entry, Node, Scalar, ScalarKind, Value};
use super::parse;
use super::read::{Reader, list_of};
use super::scalar::Typing;
use super::schema::Text;
use super::source::Sources;
use super::template::{self, Part, Step};
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span, did_you_mean};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What variable of the environment sets `x`: this, and `x` behind it.
pub const VARIABLE_PREFIX: &str = "LHPROV_VAR_";

/// Values from outside of the manifest.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--var NAME=VALUE`, in order.
    pub assignments: Vec<(String, String)>,
    /// `--var-file`, in order.
    pub files: Vec<PathBuf>,
    /// Names behind `LHPROV_VAR_` in the environment, with their values.
    pub environment: Vec<(String, String)>,
    /// What a saved plan was made with. Everything else that is given beats it.
    pub saved: BTreeMap<String, Json>,
}

/// What a variable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A map of anything.
    Map,
}

pub(super) const KINDS: [(&str, Kind); 5] = [
    ("string", Kind::String),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("list", Kind::List),
    ("map", Kind::Map),
];

impl Kind {
    fn describe(self) -> &'static str {
        match self {
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Boolean => "a boolean",
            Kind::List => "a list",
            Kind::Map => "a map",
        }
    }

    fn of(node: &Node) -> Option<Self> {
        match &node.value {
            Value::List(_) => Some(Kind::List),
            Value::Map(_) => Some(Kind::Map),
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::String => Some(Kind::String),
                ScalarKind::Integer(_) | ScalarKind::Large(_) | ScalarKind::Float(_) => Some(Kind::Number),
                ScalarKind::Boolean(_) => Some(Kind::Boolean),
                ScalarKind::Null | ScalarKind::Refused => None,
            },
        }
    }
}

/// One declared variable.
#[derive(Debug)]
struct Declaration {
    name: Text,
    kind: Kind,
    default: Option<Node>,
    allowed: Option<(Vec<Node>, Span)>,
    /// Whether all of it could be read; if not, nothing is said of its value.
    sound: bool,
}

/// The variables of a run with their values.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: BTreeMap<String, Node>,
    given: BTreeSet<String>,
}

impl Variables {
    /// Names whose values do not come from the manifest.
    pub fn given(&self) -> &BTreeSet<String> {
        &self.given
    }

    /// The value of a variable; one that could not be worked out, which was reported, is refused.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.values.get(name)
    }

    /// Names with values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.values.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// The declared name nearest to one that is not declared.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.values.keys().map(String::as_str))
    }
}

/// Walks into a value. The error is a sentence's end: "has no `zone`".
pub(super) fn walk<'n>(mut node: &'n Node, steps: &[Step]) -> Result<&'n Node, (String, Option<String>)> {
    for step in steps {
        node = match (step, &node.value) {
            (_, Value::Scalar(Scalar { kind: ScalarKind::Refused, .. })) => return Ok(node),
            (Step::Key(key), Value::Map(entries)) => match entries.iter().find(|entry| entry.key.text == *key) {
                Some(entry) => &entry.value,
                None => {
                    let near = did_you_mean(key, entries.iter().map(|entry| entry.key.text.as_str()));
                    return Err((format!("has no `{key}`"), near.map(str::to_owned)));
                }
            },
            (Step::Index(index), Value::List(items)) => match items.get(*index as usize) {
                Some(item) => item,
                None => return Err((format!("ends before [{index}], with {} in all", items.len()), None)),
            },
            (Step::Key(key), _) => return Err((format!("is {}, which has no `{key}`", node.describe()), None)),
            (Step::Index(index), _) => return Err((format!("is {}, which has no [{index}]", node.describe()), None)),
            (Step::All, _) => return Err(("takes no [*], which is for `outputs`".to_owned(), None)),
        };
    }
    Ok(node)
}

/// Works out the variables that `declared` maps declare: one for each file of the manifest that has `variables`.
pub(super) fn resolve(
    declared: &[&Node],
    given: &Given,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Variables {
    let mut declarations: BTreeMap<String, Declaration> = BTreeMap::new();
    for node in declared {
        declare(node, &mut declarations, diagnostics);
    }
    let mut resolver = Resolver { declarations: &declarations, values: BTreeMap::new(), sources, diagnostics };
    resolver.saved(&given.saved);
    resolver.environment(&given.environment);
    let mut complete = true;
    for file in &given.files {
        complete &= resolver.file(file);
    }
    resolver.assignments(&given.assignments);
    resolver.finish(complete)
}

fn declare(node: &Node, declarations: &mut BTreeMap<String, Declaration>, diagnostics: &mut Diagnostics) {
    let mut reader = Reader { diagnostics };
    let Some(entries) = reader.map(node) else { return };
    for Entry { key, key_span, value } in entries {
        let name = Text { value: key.text.clone(), span: *key_span, quoted: key.quoted, verbatim: true };
        if !is_name(&name.value) {
            reader.diagnostics.push(
                Diagnostic::error("variable-name", format!("`{}` cannot be the name of a variable", name.value))
                    .at(name.span)
                    .help("it has letters, digits and `_`, the first a letter"),
            );
            continue;
        }
        if let Some(first) = declarations.get(&name.value) {
            reader.diagnostics.push(
                Diagnostic::error("duplicate-variable", format!("the variable `{}` is written twice", name.value))
                    .at(name.span)
                    .label("again here")
                    .related(first.name.span, "first here"),
            );
            continue;
        }
        declarations.insert(name.value.clone(), reader.declaration(name, value));
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Reader<'_> {
    fn declaration(&mut self, name: Text, node: &Node) -> Declaration {
        let before = self.diagnostics.count();
        let (mut default, mut allowed, mut written_kind) = (None, None, None);
        if let Value::Scalar(scalar) = &node.value
            && scalar.kind != ScalarKind::Null
        {
            self.diagnostics.push(
                Diagnostic::error("wrong-type", format!("expected a map, found {}", node.describe()))
                    .at(node.span)
                    .help(format!("write `{}: {{ default: {} }}`", name.value, scalar.text)),
            );
        } else if node.scalar().is_none() {
            // A variable without anything, `env:`, is a string that has to be given.
            for (key, entry) in self.entries(node, &VARIABLE).unwrap_or_default() {
                match key {
                    "default" => default = self.plain(&entry.value, "a default"),
                    "allowed" => {
                        let items = self.list(&entry.value, |reader, node| reader.plain(node, "an allowed value"));
                        allowed = items.map(|items| (items, entry.key_span));
                    }
                    "type" => written_kind = self.word(&entry.value, "a type", &KINDS),
                    "description" => drop(self.text(&entry.value)),
                    _ => super::instance::unknown(key),
                }
            }
        }
        let inferred = default.as_ref().or(allowed.as_ref().and_then(|(items, _)| items.first())).and_then(Kind::of);
        let kind = written_kind.map(|kind| kind.value).or(inferred).unwrap_or(Kind::String);
        let kind_span = written_kind_span(node);
        let values = default.iter().chain(allowed.iter().flat_map(|(items, _)| items));
        for value in values {
            if let Some(problem) = wrong_kind(&name.value, kind, value) {
                self.diagnostics.push(match kind_span {
                    Some(span) if Kind::of(value).is_some() => problem.related(span, "its type"),
                    _ => problem,
                });
            }
        }
        let sound = self.diagnostics.count() == before;
        Declaration { name, kind, default, allowed, sound }
    }

    /// A value in which nothing is worked out: it is what variables are made of.
    fn plain(&mut self, node: &Node, what: &str) -> Option<Node> {
        let mut copy = node.clone();
        let mut good = true;
        visit(&mut copy, &mut |scalar, span| {
            if scalar.kind == ScalarKind::String && scalar.text.contains("${") {
                let mut text = String::new();
                for part in template::parts(&scalar.text) {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Expression(_) | Part::Unclosed(_) => good = false,
                    }
                }
                if !good {
                    self.diagnostics.push(
                        Diagnostic::error("interpolation", format!("{what} of a variable is a value of its own"))
                            .at(span)
                            .label("`${…}` cannot stand here")
                            .help("put it where the variable is used; a literal `${` is written `$${`"),
                    );
                }
                scalar.text = text;
            }
            scalar.verbatim = true;
        });
        good.then_some(copy)
    }
}

/// Where `type` is written in a declaration.
fn written_kind_span(node: &Node) -> Option<Span> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key.text == "type").map(|entry| entry.value.span)
}

/// Does something to every scalar of a value, keys among them.
fn visit(node: &mut Node, act: &mut impl FnMut(&mut Scalar, Span)) {
    match &mut node.value {
        Value::Scalar(scalar) => act(scalar, node.span),
        Value::List(items) => items.iter_mut().for_each(|item| visit(item, act)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| {
            act(&mut entry.key, entry.key_span);
            visit(&mut entry.value, act);
        }),
    }
}

/// What is wrong with the kind of a value.
fn wrong_kind(name: &str, kind: Kind, node: &Node) -> Option<Diagnostic> {
    if Kind::of(node) == Some(kind) {
        return None;
    }
    let diagnostic = Diagnostic::error(
        "variable-type",
        format!("the variable `{name}` is {}, not {}", kind.describe(), node.describe()),
    )
    .at(node.span);
    Some(match (kind, node.scalar()) {
        (Kind::String, Some(scalar)) if scalar.kind != ScalarKind::Null => {
            diagnostic.help(format!("write it in quotes: \"{}\"", scalar.text))
        }
        (Kind::Boolean, Some(_)) => diagnostic.help("write `true` or `false`, without quotes"),
        (Kind::Number, Some(scalar)) if scalar.quoted && scalar.text.parse::<f64>().is_ok() => {
            diagnostic.help(format!("write it without quotes: {}", scalar.text))
        }
        _ => diagnostic,
    })
}

/// Whether two values are the same, wherever they were written.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Scalar(a), Value::Scalar(b)) => match (a.kind, b.kind) {
            (ScalarKind::String, ScalarKind::String) => a.text == b.text,
            (a, b) => a == b,
        },
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|a| b.iter().any(|b| a.key.text == b.key.text && same(&a.value, &b.value)))
        }
        _ => false,
    }
}

struct Resolver<'a> {
    declarations: &'a BTreeMap<String, Declaration>,
    values: BTreeMap<String, Node>,
    sources: &'a mut Sources,
    diagnostics: &'a mut Diagnostics,
}

impl Resolver<'_> {
    fn nearest(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.declarations.keys().map(String::as_str))
    }

    /// A variable that the manifest has no more is told by whoever compares the manifests.
    fn saved(&mut self, values: &BTreeMap<String, Json>) {
        for (name, value) in values.iter().filter(|(name, _)| self.declarations.contains_key(*name)) {
            // JSON is YAML.
            let id = self.sources.add_text(format!("{name} of the saved plan"), &value.to_string());
            if let Some(node) = self.tree(id) {
                self.values.insert(name.clone(), node);
            }
        }
    }

    /// A variable for another manifest may well be set, so this is no error; a slip should be seen all the same.
    fn environment(&mut self, pairs: &[(String, String)]) {
        for (name, text) in pairs {
            let declarations = self.declarations;
            if let Some(declaration) = declarations.get(name) {
                self.text(declaration, format!("{VARIABLE_PREFIX}{name}"), text);
                continue;
            }
            let warning = Diagnostic::warning(
                "unknown-variable",
                format!("{VARIABLE_PREFIX}{name} is set, and the manifest has no variable `{name}`"),
            );
            let warning = match self.nearest(name) {
                Some(near) => warning.help(format!("did you mean {VARIABLE_PREFIX}{near}?")),
                None => warning,
            };
            self.diagnostics.push(warning);
        }
    }

    fn file(&mut self, path: &std::path::Path) -> bool {
        let Some(id) = self.sources.add_file(path, self.diagnostics) else { return false };
        let is_json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let root = match is_json {
            true => json::parse(self.sources.text(id), id, self.diagnostics),
            false => parse::parse_part(self.sources.text(id), id, self.diagnostics).root,
        };
        let Some(root) = root else { return false };
        let mut reader = Reader { diagnostics: self.diagnostics };
        let Some(entries) = reader.map(&root).map(<[Entry]>::to_vec) else { return false };
        for Entry { key, key_span, mut value } in entries {
            let declarations = self.declarations;
            if let Some(declaration) = declarations.get(&key.text) {
                visit(&mut value, &mut |scalar, _| scalar.verbatim = true);
                self.values.insert(declaration.name.value.clone(), value);
                continue;
            }
            let error = Diagnostic::error("unknown-variable", format!("the manifest has no variable `{}`", key.text))
                .at(key_span);
            let error = match self.nearest(&key.text) {
                Some(near) => error.label(format!("did you mean `{near}`?")),
                None => error.help("declare it under `variables` of the manifest"),
            };
            self.diagnostics.push(error);
        }
        true
    }

    fn assignments(&mut self, pairs: &[(String, String)]) {
        for (name, text) in pairs {
            let declarations = self.declarations;
            if let Some(declaration) = declarations.get(name) {
                self.text(declaration, format!("--var {name}"), text);
                continue;
            }
            let error =
                Diagnostic::error("unknown-variable", format!("--var {name}: the manifest has no variable `{name}`"));
            let error = match self.nearest(name) {
                Some(near) => error.help(format!("did you mean `--var {near}=…`?")),
                None => error.help("declare it under `variables` of the manifest"),
            };
            self.diagnostics.push(error);
        }
    }

    /// A value given as a text: read as what the variable is declared to be.
    fn text(&mut self, declaration: &Declaration, shown: String, text: &str) {
        let id = self.sources.add_text(shown, text);
        let span = Span { source: id, start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX) };
        let scalar = |kind| {
            let scalar = Scalar { text: text.to_owned(), kind, quoted: false, verbatim: true, expression: None };
            Node { span, value: Value::Scalar(scalar) }
        };
        let node = match declaration.kind {
            Kind::String => scalar(ScalarKind::String),
            Kind::Number | Kind::Boolean => scalar(Typing::default().plain(text)),
            Kind::List | Kind::Map => self.tree(id).unwrap_or_else(|| Node::refused(span)),
        };
        self.values.insert(declaration.name.value.clone(), node);
    }

    fn tree(&mut self, id: SourceId) -> Option<Node> {
        let mut node = parse::parse(self.sources.text(id), id, self.diagnostics).root?;
        visit(&mut node, &mut |scalar, _| scalar.verbatim = true);
        Some(node)
    }

    /// Checks what was given, takes the defaults for the rest, and reports what has neither.
    fn finish(mut self, complete: bool) -> Variables {
        let mut values = BTreeMap::new();
        let given = self.values.keys().cloned().collect();
        for (name, declaration) in self.declarations {
            let refused = Node::refused(declaration.name.span);
            // A default that is not allowed is wrong also while it is not needed.
            let default = declaration.default.as_ref().map(|default| self.checked(declaration, default.clone()));
            let value = match self.values.remove(name) {
                Some(value) => self.checked(declaration, value),
                None => match default {
                    Some(default) => default,
                    None if !declaration.sound || !complete => refused,
                    None => {
                        self.diagnostics.push(
                            Diagnostic::error("missing-variable", format!("the variable `{name}` has no value"))
                                .at(declaration.name.span)
                                .help(format!(
                                    "give it with `--var {name}=…`, in a file of `--var-file`, or as {VARIABLE_PREFIX}{name}"
                                ))
                                .help("or write a `default`"),
                        );
                        refused
                    }
                },
            };
            values.insert(name.clone(), value);
        }
        Variables { values, given }
    }

    fn checked(&mut self, declaration: &Declaration, value: Node) -> Node {
        let refused = Node::refused(value.span);
        let is_refused = value.scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Refused);
        if !declaration.sound || is_refused {
            return refused;
        }
        let name = &declaration.name.value;
        if let Some(problem) = wrong_kind(name, declaration.kind, &value) {
            self.diagnostics.push(problem.related(declaration.name.span, "declared here"));
            return refused;
        }
        let Some((allowed, span)) = &declaration.allowed else { return value };
        if allowed.iter().any(|allowed| same(allowed, &value)) {
            return value;
        }
        let texts: Vec<&str> = allowed.iter().filter_map(Node::scalar).map(|scalar| scalar.text.as_str()).collect();
        let found = value.scalar().map_or("", |scalar| scalar.text.as_str());
        let error = Diagnostic::error("variable-allowed", format!("this is not an allowed value of `{name}`"))
            .at(value.span)
            .related(*span, "what is allowed");
        self.diagnostics.push(match did_you_mean(found, texts.iter().copied()) {
            Some(near) => error.label(format!("did you mean `{near}`?")),
            None if texts.len() == allowed.len() => error.help(format!("it is one of {}", list_of(&texts))),
            None => error,
        });
        refused
    }
}
