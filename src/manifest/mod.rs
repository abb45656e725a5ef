//! Text to parsed manifest: every value keeps its place.
//!
//! `source` reads the files, `parse` makes a tree of spanned nodes out of a text, `decode` makes a typed `Manifest` out
//! of the trees. Nothing here knows what a value means to the service, nor expands `${…}`: that is `desired`.

mod agree;
pub mod decode;
pub mod edit;
mod instance;
mod keys;
mod merge;
pub mod node;
pub mod parse;
pub mod read;
mod scalar;
pub mod schema;
pub mod source;

pub use schema::Manifest;
pub use source::{Location, Sources};

use crate::diag::Diagnostics;

/// Parses, decodes and merges all texts. The manifest is there whenever its trees could be read at all, so that later
/// checks can add what they find; whether it may be used is for `diagnostics` to say.
///
/// `complete` says whether every file of the run is among the sources. If one is not, what is missing may well be in it.
pub fn load(sources: &mut Sources, complete: bool, diagnostics: &mut Diagnostics) -> Option<Manifest> {
    let mut files = Vec::new();
    let mut readable = complete;
    for id in sources.ids() {
        let parsed = parse::parse(sources.text(id), id, diagnostics);
        sources.mask(id, parsed.secrets);
        match parsed.root {
            Some(root) => files.push(decode::decode(&root, diagnostics)),
            None => readable = false,
        }
    }
    if !readable || files.is_empty() {
        return None;
    }
    merge::merge(files, diagnostics)
}
