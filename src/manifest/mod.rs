//! Text to parsed manifest: every value keeps its place.
//!
//! `source` reads the files, `parse` makes a tree of spanned nodes out of a text, `decode` makes a typed `Manifest` out
//! of the trees; between the two `variable` works out the variables and `substitute` puts them where a value is one whole
//! `${var.x}`. Nothing here knows what a value means to the service, nor works out `${…}` inside of texts: that is `desired`.

mod agree;
mod blocks;
pub mod bounds;
pub mod decode;
pub mod edit;
mod foreign;
pub mod format;
mod instance;
mod json;
pub mod json_schema;
mod keys;
pub mod limits;
mod look_alikes;
mod merge;
pub mod node;
pub mod parse;
pub mod read;
mod root;
mod scalar;
pub mod schema;
pub mod source;
mod substitute;
pub mod template;
pub mod variable;

pub use schema::Manifest;
pub use source::{Location, Sources};
pub use substitute::{each_value, no_each};
pub use variable::Given;

use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use node::{Entry, Node, Value};
use read::Reader;

/// Parses, decodes and merges all texts, and those that they include. The manifest is there whenever its trees could be read
/// at all, so that later checks can add what they find; whether it may be used is for `diagnostics` to say.
///
/// `complete` says whether every file of the run is among the sources. If one is not, what is missing may well be in it.
pub fn load(sources: &mut Sources, given: &Given, complete: bool, diagnostics: &mut Diagnostics) -> Option<Manifest> {
    let mut found = Diagnostics::default();
    let manifest = load_all(sources, given, complete, &mut found);
    look_alikes::explain_errors(&mut found, sources);
    diagnostics.extend(found);
    manifest
}

fn load_all(sources: &mut Sources, given: &Given, complete: bool, diagnostics: &mut Diagnostics) -> Option<Manifest> {
    let mut loader = Loader { sources, diagnostics, roots: Vec::new(), readable: complete, only_empty: None };
    for id in loader.sources.ids() {
        loader.read(id, &mut Vec::new());
    }
    let Loader { mut roots, readable, only_empty, .. } = loader;
    if let (Some(first), true) = (only_empty, roots.is_empty()) {
        diagnostics.push(parse::empty_manifest(first));
    }
    if !readable || roots.is_empty() {
        return None;
    }
    let declared: Vec<&Node> = roots.iter().filter_map(|root| value_of(root, "variables")).collect();
    let variables = variable::resolve(&declared, given, sources, diagnostics);
    for root in &mut roots {
        let Value::Map(entries) = &mut root.value else { continue };
        for entry in entries.iter_mut().filter(|entry| !["variables", "include"].contains(&entry.key.text.as_str())) {
            substitute::variables(&mut entry.value, &variables, diagnostics);
        }
    }
    let taken: Vec<Option<Node>> = roots.iter_mut().map(decode::take_instances).collect();
    let files = roots.iter().zip(taken).map(|(root, instances)| decode::decode(root, instances, diagnostics)).collect();
    merge::merge(files, variables, diagnostics)
}

fn value_of<'n>(root: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &root.value else { return None };
    entries.iter().find(|entry| entry.key.text == key).map(|entry: &Entry| &entry.value)
}

struct Loader<'a> {
    sources: &'a mut Sources,
    diagnostics: &'a mut Diagnostics,
    roots: Vec<Node>,
    /// Whether every file was found and could be read.
    readable: bool,
    /// The first file without content. Beside others it is an empty map, such as one whose lines are all commented out.
    only_empty: Option<SourceId>,
}

impl Loader<'_> {
    /// Parses a text, then what it includes. `path` is the way here: each file, and where it includes the next.
    fn read(&mut self, id: SourceId, path: &mut Vec<(SourceId, Span)>) {
        let mut found = Diagnostics::default();
        let parsed = parse::parse_part(self.sources.text(id), id, &mut found);
        self.sources.mask(id, parsed.secrets);
        if parsed.is_empty {
            self.only_empty.get_or_insert(id);
            return;
        }
        if let Some((_, span)) = path.last()
            && !foreign::is_manifest(self.sources.text(id), parsed.root.as_ref())
        {
            let refused = foreign::refuse(self.sources, id, *span, &found);
            self.diagnostics.push(refused);
            self.readable = false;
            return;
        }
        self.diagnostics.extend(found);
        let Some(root) = parsed.root else {
            self.readable = false;
            return;
        };
        let includes = match value_of(&root, "include") {
            Some(node) => Reader { diagnostics: self.diagnostics }.list(node, Reader::text).unwrap_or_default(),
            None => Vec::new(),
        };
        self.roots.push(root);
        for include in includes {
            if include.value.contains("${") {
                self.diagnostics.push(
                    Diagnostic::error("include", "nothing is worked out in a path to include")
                        .at(include.span)
                        .help("variables are read from all files, so which files there are cannot depend on them"),
                );
                continue;
            }
            let before = self.diagnostics.count();
            for (found, known) in self.sources.include(id, &include, self.diagnostics) {
                path.push((id, include.span));
                if let Some(start) = path.iter().position(|(file, _)| *file == found) {
                    let cycle = self.cycle(&path[start..], found);
                    self.diagnostics.push(cycle);
                } else if !known {
                    self.read(found, path);
                }
                path.pop();
            }
            self.readable &= self.diagnostics.count() == before || !self.diagnostics.has_errors();
        }
    }

    fn cycle(&self, path: &[(SourceId, Span)], back: SourceId) -> Diagnostic {
        let names: Vec<&str> = path.iter().map(|(file, _)| self.sources.path(*file)).collect();
        let summary = format!("files include one another: {} -> {}", names.join(" -> "), self.sources.path(back));
        let mut diagnostic = Diagnostic::error("include-cycle", summary);
        for (at, (_, span)) in path.iter().enumerate().rev() {
            diagnostic = match at + 1 == path.len() {
                true => diagnostic.at(*span).label("this leads back"),
                false => diagnostic.related(*span, "by this"),
            };
        }
        diagnostic.help("remove one of these entries of `include`")
    }
}
