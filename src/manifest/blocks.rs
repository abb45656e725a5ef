//! The blocks under `instances`, decoded over `defaults`: once for each block, or for each key of its `for_each` where the
//! keys make it another.

use super::node::{Entry, Node, Value};
use super::read::Reader;
use super::schema::{Block, Body, EachMember, NamedBlock, Text};
use super::substitute::{self, Each};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Longest key of `for_each`, in characters: as long as a name may be.
const KEY_CHARACTERS_MAX: usize = 60;

/// Decodes blocks over `defaults`.
pub(super) fn blocks(
    written: impl Iterator<Item = (Text, Node)>,
    defaults: Option<Spanned<&Node>>,
    diagnostics: &mut Diagnostics,
) -> Vec<NamedBlock> {
    let mut blocks = Blocks::new(defaults, diagnostics);
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut merged = Vec::new();
    for (name, node) in written {
        if let Some(first) = seen.get(&name.value) {
            blocks.diagnostics.push(
                Diagnostic::error("duplicate-instance", format!("the instance `{}` is written twice", name.value))
                    .at(name.span)
                    .label("again here")
                    .related(*first, "first here"),
            );
            continue;
        }
        seen.insert(name.value.clone(), name.span);
        let body = blocks.body(node);
        merged.push(NamedBlock { name, body });
    }
    if merged.is_empty() {
        // Nothing uses them, and what is wrong in them is wrong all the same.
        blocks.defaults_of(Each::Unknown);
    }
    merged
}

struct Blocks<'n, 'd> {
    diagnostics: &'d mut Diagnostics,
    defaults: Option<&'n Node>,
    /// Whether `defaults` say something else for each key.
    defaults_mention_each: bool,
    /// `defaults` for blocks without keys.
    plain: Option<Arc<Block>>,
    /// `defaults` that are the same for all keys.
    shared: Option<Arc<Block>>,
    /// What was found where trees are decoded several times.
    found: HashSet<(Option<Span>, &'static str, String)>,
}

impl<'n, 'd> Blocks<'n, 'd> {
    fn new(defaults: Option<Spanned<&'n Node>>, diagnostics: &'d mut Diagnostics) -> Self {
        let defaults = defaults.map(|defaults| defaults.value);
        if let Some(entry) = defaults.and_then(for_each_of) {
            diagnostics.push(
                Diagnostic::error("for-each", "`for_each` cannot stand under `defaults`")
                    .at(entry.key_span)
                    .help("write it in each block that is to have one"),
            );
        }
        let defaults_mention_each = defaults.is_some_and(substitute::mentions_each);
        Self { diagnostics, defaults, defaults_mention_each, plain: None, shared: None, found: HashSet::new() }
    }

    fn body(&mut self, mut node: Node) -> Body {
        // The keys are not part of what each of them gets.
        if let Some((span, keys)) = take_for_each(&mut node) {
            return self.each(&node, span, keys);
        }
        let own = self.decode(&node, Each::Nothing);
        let defaults = self.defaults_of(Each::Nothing);
        Body::Plain(Arc::new(own.over(&defaults)))
    }

    fn each(&mut self, rest: &Node, span: Span, keys: Node) -> Body {
        let keys = self.keys(keys);
        if keys.is_empty() {
            // A block of none is read like one of one: what is wrong in it would be wrong the day it gets a key.
            let block = self.decode(rest, Each::Unknown);
            self.refuse_count(&block.over(&Block::default()), span);
            return Body::Each { span, members: Vec::new() };
        }
        let differs = substitute::mentions_each(rest) || self.defaults_mention_each;
        let mut same: Option<Arc<Block>> = None;
        let mut members = Vec::with_capacity(keys.len());
        for (key, value) in keys {
            let block = match &same {
                Some(block) if !differs => Arc::clone(block),
                _ => {
                    let each = Each::Of(&key.value, key.span, &value);
                    let own = self.decode(rest, each);
                    let defaults = self.defaults_of(each);
                    Arc::new(own.over(&defaults))
                }
            };
            if same.is_none() {
                self.refuse_count(&block, span);
                same = Some(Arc::clone(&block));
            }
            members.push(EachMember { key, value, block });
        }
        Body::Each { span, members }
    }

    fn refuse_count(&mut self, block: &Block, for_each: Span) {
        if let Some(count) = block.places.get("count") {
            self.diagnostics.push(
                Diagnostic::error("for-each", "`for_each` and `count` exclude one another")
                    .at(for_each)
                    .label("this, or")
                    .related(*count, "this"),
            );
        }
    }

    /// The keys of `for_each` with their values.
    fn keys(&mut self, node: Node) -> Vec<(Text, Node)> {
        let mut reader = Reader { diagnostics: self.diagnostics };
        if matches!(node.value, Value::List(_)) {
            reader.diagnostics.push(
                Diagnostic::error("wrong-type", "expected a map, found a list")
                    .at(node.span)
                    .detail("The keys become part of addresses: an entry that is removed must not move its neighbours.")
                    .help("write `for_each: { a: {}, b: {} }`"),
            );
            return Vec::new();
        }
        if reader.map(&node).is_none() {
            return Vec::new();
        }
        let Value::Map(entries) = node.value else { return Vec::new() };
        let mut keys = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(key) = reader.key(&entry) else { continue };
            let length = key.value.chars().count();
            if length == 0 || length > KEY_CHARACTERS_MAX || key.value.chars().any(char::is_control) {
                reader.diagnostics.push(
                    Diagnostic::error("for-each-key", format!("{:?} cannot be a key of `for_each`", key.value))
                        .at(key.span)
                        .help(format!("it is part of an address: 1 to {KEY_CHARACTERS_MAX} characters in one line")),
                );
                continue;
            }
            keys.push((key, entry.value));
        }
        keys
    }

    /// A block of its own. One that cannot be read still has a name that others may depend on.
    fn decode(&mut self, node: &Node, each: Each<'_>) -> Block {
        let mut found = Diagnostics::default();
        let substituted = substitute::mentions_each(node).then(|| {
            let mut node = node.clone();
            substitute::each(&mut node, each, &mut found);
            node
        });
        let mut reader = Reader { diagnostics: &mut found };
        let block = reader.block(substituted.as_ref().unwrap_or(node)).unwrap_or_default();
        for problem in found.into_vec() {
            if self.found.insert((problem.span, problem.code, problem.summary.clone())) {
                self.diagnostics.push(problem);
            }
        }
        block
    }

    /// `defaults` as they are for one key, or without keys.
    fn defaults_of(&mut self, each: Each<'_>) -> Arc<Block> {
        let Some(node) = self.defaults else { return Arc::default() };
        let kept = match each {
            Each::Nothing => &self.plain,
            Each::Of(..) | Each::Unknown => &self.shared,
        };
        if let Some(kept) = kept {
            return Arc::clone(kept);
        }
        let block = Arc::new(self.decode(node, each));
        match each {
            Each::Nothing => self.plain = Some(Arc::clone(&block)),
            Each::Of(..) | Each::Unknown if !self.defaults_mention_each => self.shared = Some(Arc::clone(&block)),
            Each::Of(..) | Each::Unknown => {}
        }
        block
    }
}

/// Takes the keys of a block out of it; also where they stand.
fn take_for_each(node: &mut Node) -> Option<(Span, Node)> {
    let Value::Map(entries) = &mut node.value else { return None };
    let entry = entries.iter_mut().find(|entry| entry.key.text == "for_each")?;
    let nothing = Node { span: entry.value.span, value: Value::Map(Vec::new()) };
    Some((entry.key_span, std::mem::replace(&mut entry.value, nothing)))
}

fn for_each_of(node: &Node) -> Option<&Entry> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key.text == "for_each")
}
