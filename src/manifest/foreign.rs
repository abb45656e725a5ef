//! Files that a manifest includes although they are no manifests.
//!
//! An error text quotes lines and names keys. Of a manifest that is what its author wants to see; of any other file, such as
//! one with credentials, it would publish the content in a plan's comment. Of those only the place is reported.

use super::keys::MANIFEST;
use super::node::{Node, Value};
use super::source::Sources;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};

/// Whether a text is a manifest, perhaps with mistakes: a map most of whose keys are a manifest's. Where it cannot be parsed,
/// its lines decide.
pub(super) fn is_manifest(text: &str, root: Option<&Node>) -> bool {
    let is_known = |key: &str| MANIFEST.known.iter().chain(MANIFEST.later).any(|known| *known == key);
    let (known, other) = match root.map(|root| &root.value) {
        Some(Value::Map(entries)) => count(entries.iter().map(|entry| is_known(&entry.key.text))),
        Some(_) => return false,
        None => {
            let keys = text.lines().filter(|line| !line.starts_with([' ', '\t', '#', '-']));
            count(keys.filter_map(|line| line.split_once(':')).map(|(key, _)| is_known(key.trim_end())))
        }
    };
    known > 0 && known >= other
}

fn count(known: impl Iterator<Item = bool>) -> (usize, usize) {
    known.fold((0, 0), |(yes, no), is_known| if is_known { (yes + 1, no) } else { (yes, no + 1) })
}

/// The error at `include` for a file that is no manifest.
pub(super) fn refuse(sources: &Sources, id: SourceId, include: Span, found: &Diagnostics) -> Diagnostic {
    let path = sources.path(id);
    let problem = found.iter().find_map(|diagnostic| diagnostic.span);
    let place = problem.map(|span| sources.location(span)).map_or_else(String::new, |place| {
        format!(" The first problem is at line {}, column {}.", place.line, place.column)
    });
    Diagnostic::error("not-a-manifest", format!("`{path}` is not a manifest"))
        .at(include)
        .detail(format!("Its content is not shown, since it may be secret.{place}"))
        .help("include files with keys of a manifest only; a script or a password is named with `{file: PATH}`")
}
