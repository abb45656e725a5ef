//! The manifest of a command, with what the command line says in its place.

use super::args::Global;
use super::env;
use super::failure::Failure;
use super::github;
use crate::desired::{self, DesiredState};
use crate::diag::Diagnostics;
use crate::manifest::source::MANIFEST_DEFAULT;
use crate::manifest::variable::VARIABLE_PREFIX;
use crate::manifest::{Given, Sources};
use crate::report::console::Console;
use crate::state::{OsDisk, StateError, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where state files are by default.
const STATE_FOLDER: &str = "state";

/// A manifest that holds.
pub struct Loaded {
    /// What is wanted.
    pub desired: DesiredState,
    /// Where it is written.
    pub sources: Arc<Sources>,
}

/// Values of variables that this run gives.
pub fn given(global: &Global) -> Given {
    Given {
        assignments: global.var.clone(),
        files: global.var_file.clone(),
        // One name behind the prefix is taken: that of `--var-file`.
        environment: env::with_prefix(VARIABLE_PREFIX).into_iter().filter(|(name, _)| name != "FILE").collect(),
        saved: global.saved_variables.clone(),
    }
}

/// Reads the manifest; whether it holds is in the diagnostics.
pub fn read(global: &Global) -> (Option<DesiredState>, Sources, Diagnostics) {
    desired::load(Path::new(""), &global.file, &global.root, &given(global), &env::variable)
}

/// Loads the manifest and says its warnings.
pub fn load(global: &Global, console: Console) -> Result<Loaded, Failure> {
    finished(global, read(global), console)
}

/// Loads a manifest of texts at hand and says its warnings.
pub fn of_sources(global: &Global, sources: Sources, console: Console) -> Result<Loaded, Failure> {
    finished(global, desired::load_sources(sources, &given(global), &env::variable), console)
}

/// Checks what was read.
pub fn finished(
    global: &Global,
    (desired, sources, diagnostics): (Option<DesiredState>, Sources, Diagnostics),
    console: Console,
) -> Result<Loaded, Failure> {
    let Some(desired) = desired else {
        return Err(Failure::diagnostics(diagnostics, Arc::new(sources)));
    };
    github::say_problems(&diagnostics, &sources, console);
    if let Some(region) = global.region.as_deref().filter(|region| *region != desired.region) {
        return Err(Failure::usage(format!("--region {region} is not the manifest's region, {}", desired.region))
            .help("one stack is one region: leave --region out, or change `region` in the manifest"));
    }
    Ok(Loaded { desired, sources: Arc::new(sources) })
}

/// Whether a manifest was named, or stands where one is looked for.
pub fn has_manifest(global: &Global) -> bool {
    !global.file.is_empty() || Path::new(MANIFEST_DEFAULT).exists()
}

/// Names in the sandbox's folder that are not a stack's.
const SANDBOX_FILES: [&str; 2] = ["account", "settings"];

/// The state of a stack: of `--state`, else by its name, the sandbox's in the sandbox's folder.
///
/// # Errors
/// When the path cannot be that of a state.
pub fn store(global: &Global, stack: &str) -> Result<Store, StateError> {
    let path = match (&global.state, global.sandbox()) {
        (Some(path), _) => path.clone(),
        (None, Some(folder)) if SANDBOX_FILES.contains(&stack) => folder.join(format!("{stack}.stack.json")),
        (None, Some(folder)) => folder.join(format!("{stack}.json")),
        (None, None) => PathBuf::from(STATE_FOLDER).join(format!("{stack}.json")),
    };
    Store::find(Arc::new(OsDisk), &path)
}
