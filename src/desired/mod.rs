//! The manifest after expansion and checks: one entry for each instance, no variables left.

mod check;
mod depend;
pub mod expand;
pub mod moves;
pub mod output;
mod problems;
pub mod render;
mod spec;
pub mod state;
#[cfg(test)]
mod tests;

pub use crate::manifest::bounds::{Allowed, Bounds, Freeze, Limits, Policy};
pub use expand::expand;
pub use moves::Moves;
pub use output::Output;
pub use render::render;
pub use spec::Inputs;
pub use state::{DependencyRef, DesiredInstance, DesiredState, Timeouts};

use crate::diag::Diagnostics;
use crate::manifest::{self, Given, Sources};
use std::path::{Path, PathBuf};

/// Reads, parses, expands and checks the manifest files of a run. `paths` start at `directory`; without any it is
/// `lighthouse.yaml`. `given` are the values of variables from outside; `environment` is asked for the variables that
/// passwords name. Files that the manifests name must be in one of `roots`, or, without any, in the repository or folder
/// of the manifest.
///
/// The state is there only if there are no errors. The sources are always there, to show problems in.
pub fn load(
    directory: &Path,
    paths: &[PathBuf],
    roots: &[PathBuf],
    given: &Given,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Option<DesiredState>, Sources, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let sources = Sources::read(directory, paths, roots, &mut diagnostics);
    let complete = !diagnostics.has_errors();
    finish(sources, complete, given, environment, diagnostics)
}

/// `load` for texts that are at hand.
pub fn load_sources(
    sources: Sources,
    given: &Given,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Option<DesiredState>, Sources, Diagnostics) {
    finish(sources, true, given, environment, Diagnostics::default())
}

fn finish(
    mut sources: Sources,
    complete: bool,
    given: &Given,
    environment: &dyn Fn(&str) -> Option<String>,
    mut diagnostics: Diagnostics,
) -> (Option<DesiredState>, Sources, Diagnostics) {
    let Some(manifest) = manifest::load(&mut sources, given, complete, &mut diagnostics) else {
        return (None, sources, diagnostics);
    };
    let read_file = |source, path: &str| sources.read_beside(source, path);
    let read_secret = |source, path: &str| sources.read_secret_beside(source, path);
    let inputs = Inputs { environment, read_file: &read_file, read_secret: &read_secret };
    let desired = expand(&manifest, &inputs, &mut diagnostics);
    (desired, sources, diagnostics)
}
