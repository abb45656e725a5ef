//! Text to tree: pulls parser events one by one and stops as soon as something is too deep, too large or wrong.
//!
//! Why not serde_yaml alone: it lets the last of two equal keys win in silence, takes many seconds for a hundred
//! thousand `[`, and tells no place for values that are right. So the events of saphyr-parser make the tree, and serde_yaml
//! types its scalars (`scalar`) and has to see the same tree (`agree`).

use super::agree;
use super::json::duplicate_key;
use super::look_alikes::merge_conflict;
use super::node::{Entry, Node, Scalar, ScalarKind, Value};
use super::scalar::Typing;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::{BTreeMap, HashMap};

/// Deepest nesting. A manifest needs eight; recursion over a tree twice as deep would still be safe.
pub(super) const DEPTH_MAX: usize = 64;

/// Most nodes in one text. 10,000 blocks of fifteen lines have 400,000.
const NODES_MAX: usize = 4_000_000;

/// Most nodes that aliases may add to one text, a long text counting as several. 10,000 blocks that share a template of
/// thirty nodes add 300,000; memory for this limit stays below 100 MB.
const ALIAS_NODES_MAX: usize = 500_000;

/// Bytes of text that count as one node when an alias repeats it.
const BYTES_PER_NODE: usize = 64;

/// What a text was found to be.
#[derive(Debug)]
pub struct Parsed {
    /// The tree; none if the text cannot be read.
    pub root: Option<Node>,
    /// Passwords written as they are: not to be shown.
    pub secrets: Vec<Span>,
    /// Whether the text has nothing but blanks and comments.
    pub is_empty: bool,
}

/// Parses one text. An empty one is an error.
pub fn parse(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Parsed {
    let parsed = parse_part(text, source, diagnostics);
    if !parsed.is_empty {
        return parsed;
    }
    diagnostics.push(empty_manifest(source));
    Parsed { root: None, ..parsed }
}

/// The error for a tree that is nested too deeply.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    error("too-deep", format!("nested more than {DEPTH_MAX} levels deep"), span)
}

/// The error for a manifest of which no file says anything.
pub(super) fn empty_manifest(source: SourceId) -> Diagnostic {
    error("empty-manifest", "this manifest is empty", Span { source, start: 0, end: 0 })
        .help("a manifest has at least `version: 1`, `stack`, `region` and `instances`")
}

/// Parses one of several texts that belong together. An empty one, or one of comments alone, is an empty map.
pub(super) fn parse_part(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Parsed {
    if let Some(conflict) = merge_conflict(text, source) {
        diagnostics.push(conflict);
        return Parsed { root: None, secrets: Vec::new(), is_empty: false };
    }
    let mut builder = Builder {
        places: Places::new(text, source),
        diagnostics,
        typing: Typing::default(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        alias_nodes: 0,
        secrets: Vec::new(),
        root: None,
        duplicates: false,
        spare_items: Vec::new(),
        spare_entries: Vec::new(),
    };
    let result = builder.run(text);
    let root = builder.root.take();
    let (secrets, duplicates) = (std::mem::take(&mut builder.secrets), builder.duplicates);
    let is_whole = result.is_ok();
    let root = match result {
        Ok(()) => root,
        Err(problem) => {
            diagnostics.push(*problem);
            None
        }
    };
    let is_nothing = |root: &Node| matches!(&root.value, Value::Scalar(scalar) if scalar.kind == ScalarKind::Null && scalar.text.is_empty());
    if is_whole && root.as_ref().is_none_or(is_nothing) {
        let span = Span { source, start: 0, end: 0 };
        let root = Some(Node { span, value: Value::Map(Vec::new()) });
        return Parsed { root, secrets, is_empty: true };
    }
    let Some(root) = root else { return Parsed { root: None, secrets, is_empty: false } };
    // Where a key stands twice, serde_yaml sees another tree or none, and the error is known already.
    if !duplicates && let Err(problem) = agree::check(text, &root) {
        diagnostics.push(*problem);
        return Parsed { root: None, secrets, is_empty: false };
    }
    Parsed { root: Some(root), secrets, is_empty: false }
}

/// Boxed, so that the good path does not carry a diagnostic's size around.
type Step<T> = Result<T, Box<Diagnostic>>;

/// A list or map that is not closed yet.
struct Open {
    start: u32,
    anchor: usize,
    value: Value,
    /// Key of a map that waits for its value.
    key: Option<(Scalar, Span)>,
    /// Where each key of a large map stands; a small one is searched.
    keys: HashMap<String, Span>,
    /// A repeated key's value is read, and then dropped.
    drop_value: bool,
}

/// Maps up to this size are searched for a repeated key. Most maps are small, and a table for each costs more than it saves.
const SEARCHED_ENTRIES_MAX: usize = 24;

impl Open {
    /// Where a key of this map stands already.
    fn place_of(&mut self, key: &str) -> Option<Span> {
        let Value::Map(entries) = &self.value else { return None };
        if entries.len() <= SEARCHED_ENTRIES_MAX {
            return entries.iter().find(|entry| entry.key.text == key).map(|entry| entry.key_span);
        }
        for entry in &entries[self.keys.len()..] {
            self.keys.insert(entry.key.text.clone(), entry.key_span);
        }
        self.keys.get(key).copied()
    }
}

struct Builder<'a> {
    places: Places<'a>,
    diagnostics: &'a mut Diagnostics,
    typing: Typing,
    open: Vec<Open>,
    /// Finished nodes that have an anchor, with their weight in nodes.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    alias_nodes: usize,
    secrets: Vec<Span>,
    root: Option<Node>,
    duplicates: bool,
    /// Emptied lists and maps: what is read into one that is large enough already is kept without room for more.
    spare_items: Vec<Vec<Node>>,
    spare_entries: Vec<Vec<Entry>>,
}

impl Builder<'_> {
    fn run(&mut self, text: &str) -> Step<()> {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax_error(&error))?;
            let span = self.places.span(span);
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(error("several-documents", "a manifest is one YAML document, and this text has several", span)
                            .help("remove the `---`, or put the second document into a file of its own and name both with `-f`")
                            .into());
                    }
                }
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_tag(tag.is_some(), span)?;
                    let quoted = style != ScalarStyle::Plain;
                    let kind = if quoted { ScalarKind::String } else { self.typing.plain(&text) };
                    let scalar = Scalar { text: text.into_owned(), kind, quoted, verbatim: false, expression: None };
                    self.scalar(scalar, anchor, span)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse_tag(tag.is_some(), span)?;
                    let items = self.spare_items.pop().unwrap_or_default();
                    self.begin(Value::List(items), anchor, span)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse_tag(tag.is_some(), span)?;
                    let entries = self.spare_entries.pop().unwrap_or_default();
                    self.begin(Value::Map(entries), anchor, span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar, anchor: usize, span: Span) -> Step<()> {
        if self.awaits_key() {
            self.key(scalar, span)
        } else {
            self.finish(Node { span, value: Value::Scalar(scalar) }, anchor)
        }
    }

    /// Whether the next node is a key of the innermost map.
    fn awaits_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.value, Value::Map(_)) && open.key.is_none())
    }

    fn key(&mut self, key: Scalar, span: Span) -> Step<()> {
        self.count(1, span)?;
        if key.text == "<<" && !key.quoted {
            return Err(error("merge-key", "merge keys (`<<`) are not part of YAML 1.2", span)
                .help("put what all instances share under `defaults`; an alias can still stand for a whole value: `charge: *charge`")
                .into());
        }
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        if let Some(first) = open.place_of(&key.text) {
            self.diagnostics.push(duplicate_key(&key.text, span, first));
            open.drop_value = true;
            self.duplicates = true;
        }
        open.key = Some((key, span));
        Ok(())
    }

    fn begin(&mut self, value: Value, anchor: usize, span: Span) -> Step<()> {
        if self.awaits_key() {
            return Err(self.key_is_no_scalar(span));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(span).into());
        }
        self.count(1, span)?;
        let (key, keys, drop_value) = (None, HashMap::new(), false);
        self.open.push(Open { start: span.start, anchor, value, key, keys, drop_value });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Step<()> {
        let Some(Open { start, anchor, value, .. }) = self.open.pop() else { return Ok(()) };
        let value = match value {
            Value::List(mut items) => {
                let mut exact = Vec::with_capacity(items.len());
                exact.append(&mut items);
                self.spare_items.push(items);
                Value::List(exact)
            }
            Value::Map(mut entries) => {
                let mut exact = Vec::with_capacity(entries.len());
                exact.append(&mut entries);
                self.spare_entries.push(entries);
                Value::Map(exact)
            }
            scalar @ Value::Scalar(_) => scalar,
        };
        let flow = self.places.text.as_bytes().get(start as usize).is_some_and(|byte| matches!(byte, b'[' | b'{'));
        // The end of a block is where the next thing starts: too far to underline.
        let end = match &value {
            // The parser's span of a closing bracket runs on to the end of its line.
            _ if flow => span.start + 1,
            Value::Map(entries) => entries.first().map_or(start, |entry| entry.key_span.end),
            Value::List(items) => items.first().map_or(start, |item| item.span.end),
            Value::Scalar(_) => start,
        };
        let span = Span { source: span.source, start, end: end.max(start) };
        self.attach(Node { span, value }, anchor);
        Ok(())
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Step<()> {
        self.count(1, node.span)?;
        self.attach(node, anchor);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn attach(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let weight = weight(&node);
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        match &mut open.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => {
                let Some((key, key_span)) = open.key.take() else { return };
                if key.text == "password" && is_literal(&node) {
                    self.secrets.push(node.span);
                }
                if !std::mem::take(&mut open.drop_value) {
                    entries.push(Entry { key, key_span, value: node });
                }
            }
            Value::Scalar(_) => {}
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Step<()> {
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(error("alias", "this alias stands inside the value that it names", span).into());
        };
        self.alias_nodes += weight;
        if self.alias_nodes > ALIAS_NODES_MAX {
            return Err(error("alias-bomb", "the aliases of this manifest stand for too much", span)
                .label("one too many here")
                .detail(format!("Written out, they would add more than {ALIAS_NODES_MAX} values."))
                .into());
        }
        let mut node = node.clone();
        node.span = span;
        if self.awaits_key() {
            let Value::Scalar(scalar) = node.value else { return Err(self.key_is_no_scalar(span)) };
            return self.key(scalar, span);
        }
        self.attach(node, 0);
        if self.depth_below_root() > DEPTH_MAX {
            return Err(too_deep(span).into());
        }
        Ok(())
    }

    /// Depth of the tree where an alias was just attached: what is open, and what the alias brought along.
    fn depth_below_root(&self) -> usize {
        let last = self.open.last().and_then(|open| match &open.value {
            Value::List(items) => items.last(),
            Value::Map(entries) => entries.last().map(|entry| &entry.value),
            Value::Scalar(_) => None,
        });
        self.open.len() + last.map_or(0, depth)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Step<()> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(error("too-large", format!("more than {NODES_MAX} values in one manifest file"), span).into());
        }
        Ok(())
    }

    fn refuse_tag(&self, tagged: bool, span: Span) -> Step<()> {
        if !tagged {
            return Ok(());
        }
        Err(error("yaml-tag", "YAML tags such as `!!str` are not supported", span)
            .help("quotes make a string of any value: \"1.10\"")
            .into())
    }

    fn key_is_no_scalar(&self, span: Span) -> Box<Diagnostic> {
        error("key-type", "a key has to be a text, and this one is a list or a map", span)
            .help("if `{…}` or `[…]` is meant as a text, write it in quotes")
            .into()
    }

    fn syntax_error(&mut self, problem: &ScanError) -> Box<Diagnostic> {
        let offset = self.places.offset(*problem.marker());
        let span = Span { source: self.places.source, start: offset, end: offset };
        let text = self.places.text;
        if problem.info().starts_with("recursion limit") {
            return too_deep(span).into();
        }
        let line_start = text[..offset as usize].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        // A value that goes on in the next line is reported where it begins, a tab in that line as the reason.
        let next_start = text[line_start..].find('\n').map_or(text.len(), |newline| line_start + newline + 1);
        let next = if problem.info().contains("tab") { text[next_start..].lines().next().unwrap_or("") } else { "" };
        for (start, line) in [(line_start, line), (next_start, next)] {
            let indent = &line[..line.len() - line.trim_start().len()];
            if let Some(tab) = indent.find('\t') {
                let length = indent[tab..].chars().take_while(|c| *c == '\t').count();
                let start = offset_u32(start + tab);
                return error(
                    "tab",
                    "a tab cannot indent in YAML",
                    Span { start, end: start + offset_u32(length), ..span },
                )
                .label("tab here")
                .help("indent with spaces; most editors have a setting that does so for .yaml files")
                .into();
            }
        }
        let diagnostic = error("yaml-syntax", format!("this is not YAML: {}", problem.info()), span);
        let diagnostic = if text[..offset as usize].ends_with('$') || text[..offset as usize].ends_with("${") {
            diagnostic.help("inside `{…}` and `[…]` an interpolation has to be in quotes: \"${stack}\"")
        } else if problem.info().starts_with("mapping values") {
            diagnostic.help("a value that contains `: ` has to be in quotes")
        } else {
            diagnostic
        };
        diagnostic.into()
    }
}

fn error(code: &'static str, summary: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::error(code, summary).at(span)
}

/// Whether a password stands here as it is.
fn is_literal(node: &Node) -> bool {
    node.scalar().is_some_and(|scalar| !scalar.text.is_empty() && !scalar.text.starts_with("${env:"))
}

/// Nodes in a tree, a long text counting as several.
fn weight(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(scalar) => 1 + scalar.text.len() / BYTES_PER_NODE,
        Value::List(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Map(entries) => {
            1 + entries
                .iter()
                .map(|entry| 1 + entry.key.text.len() / BYTES_PER_NODE + weight(&entry.value))
                .sum::<usize>()
        }
    }
}

/// Levels of lists and maps in a tree.
fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}

fn offset_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Turns the parser's lines and columns in characters into bytes.
struct Places<'a> {
    text: &'a str,
    source: SourceId,
    /// Byte at which each line starts; YAML also breaks lines at a lone carriage return.
    lines: Vec<usize>,
    ascii: bool,
    /// The last place asked for: line, column, byte. Events come in order, so the next one is most often a little further on.
    last: (usize, usize, usize),
}

impl<'a> Places<'a> {
    fn new(text: &'a str, source: SourceId) -> Self {
        let bytes = text.as_bytes();
        let mut lines = vec![0];
        let ends = text.match_indices(['\n', '\r']);
        match text.contains('\r') {
            true => lines.extend(
                ends.filter(|(at, end)| *end == "\n" || bytes.get(at + 1) != Some(&b'\n')).map(|(at, _)| at + 1),
            ),
            // The search for one character is several times as fast.
            false => lines.extend(text.match_indices('\n').map(|(at, _)| at + 1)),
        }
        Self { text, source, lines, ascii: text.is_ascii(), last: (0, 0, 0) }
    }

    fn offset(&mut self, marker: Marker) -> u32 {
        let line = marker.line().saturating_sub(1);
        let Some(start) = self.lines.get(line).copied() else { return offset_u32(self.text.len()) };
        if self.ascii {
            return offset_u32((start + marker.col()).min(self.text.len()));
        }
        let (from_column, from) =
            if self.last.0 == line && self.last.1 <= marker.col() { (self.last.1, self.last.2) } else { (0, start) };
        let rest = &self.text[from..];
        let further = rest.char_indices().nth(marker.col() - from_column).map_or(rest.len(), |(offset, _)| offset);
        self.last = (line, marker.col(), from + further);
        offset_u32(from + further)
    }

    fn span(&mut self, span: saphyr_parser::Span) -> Span {
        let start = self.offset(span.start);
        let end = self.offset(span.end).max(start);
        let written = &self.text[start as usize..end as usize];
        Span { source: self.source, start, end: start + offset_u32(written.trim_end().len()) }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
