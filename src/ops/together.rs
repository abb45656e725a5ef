//! Manifest and state, changed as one.
//!
//! Two files cannot be replaced at one moment. The state goes first, with what is new in it protected: were the process to die
//! between the two, the next plan would see instances that the manifest does not name, and stop at their protection instead of
//! returning them. The other order would let it buy what is there already. When the manifest is written the protection becomes
//! what the manifest says. If the manifest cannot be written, the state is put back. A manifest that does not exist yet is
//! created in the same order.

use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, rewrite_journal};
use crate::desired::{self, DesiredState};
use crate::diag::{Diagnostics, SourceId};
use crate::disk::{Disk, FileError, replace_file, suffixed};
use crate::manifest::{Given, Sources};
use crate::state::{PriorState, StateError};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

/// The texts of a run, and what is needed to read them again with another one among them.
pub struct Texts<'a> {
    /// The texts.
    pub sources: &'a Sources,
    /// Values of variables from outside.
    pub given: &'a Given,
    /// A variable of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// How the texts differ from what is on disk.
    pub on_disk: OnDisk<'a>,
}

/// How the texts of a run differ from the files. An import completes what it adds blocks to.
#[derive(Clone, Copy)]
pub enum OnDisk<'a> {
    /// Not at all.
    Same,
    /// The files are these: `instances` was added to the text.
    Without(&'a Sources),
    /// There is no file yet.
    Absent,
}

impl Texts<'_> {
    /// What is wanted once text `id` is `new`.
    ///
    /// # Errors
    /// With everything that is wrong with it then, in its new words.
    pub(super) fn with(&self, id: SourceId, new: &str) -> Result<DesiredState, OpsError> {
        let sources = self.sources.with_text(id, new);
        let (desired, sources, diagnostics) = desired::load_sources(sources, self.given, self.environment);
        desired.ok_or_else(|| OpsError::Edited(errors_of(diagnostics), Arc::new(sources)))
    }
}

fn errors_of(diagnostics: Diagnostics) -> Diagnostics {
    let mut errors = Diagnostics::default();
    for diagnostic in diagnostics.sorted() {
        if diagnostic.severity == crate::diag::Severity::Error {
            errors.push(diagnostic);
        }
    }
    errors
}

/// A manifest file that changes.
pub(super) struct Edit {
    id: SourceId,
    path: PathBuf,
    /// None for a file that does not exist yet.
    old: Option<Vec<u8>>,
    new: Vec<u8>,
}

impl Edit {
    /// Text `id` as `new`. Nothing is written yet.
    ///
    /// # Errors
    /// When the file is no longer what was read.
    pub(super) fn new(context: &Context, texts: &Texts<'_>, id: SourceId, new: &str) -> Result<Self, OpsError> {
        let sources = match texts.on_disk {
            OnDisk::Without(written) => written,
            OnDisk::Same | OnDisk::Absent => texts.sources,
        };
        let disk = context.store.disk();
        let named = std::path::Path::new(sources.path(id));
        let find = |source| StateError::Io { operation: "find", path: named.to_owned(), source };
        let path = disk.resolve(named).map_err(find)?;
        let io = |source| StateError::Io { operation: "read", path: path.clone(), source };
        let old = match disk.read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && matches!(texts.on_disk, OnDisk::Absent) => {
                return Ok(Self { id, path, old: None, new: new.as_bytes().to_vec() });
            }
            read => read.map_err(io)?,
        };
        let Some(new) = sources.rewritten(id, &old, new) else {
            let what = format!("{} has changed while this was running", sources.path(id));
            return Err(OpsError::mistake(what, ["nothing was written; run the command again"]));
        };
        Ok(Self { id, path, old: Some(old), new })
    }

    /// Which text.
    pub(super) fn id(&self) -> SourceId {
        self.id
    }
}

/// Writes state and manifest. `fresh` are the addresses that the manifest does not have yet.
///
/// # Errors
/// When either cannot be written; then neither is changed, or the error says what is.
pub(super) fn write(
    context: &Context,
    prior: Prior,
    mut state: PriorState,
    edit: Option<&Edit>,
    fresh: &BTreeSet<crate::model::Address>,
) -> Result<PriorState, OpsError> {
    let Prior { state: mut before, open, mut journal, .. } = prior;
    let store = &context.store;
    let Some(edit) = edit else {
        store.save(&mut state)?;
        rewrite_journal(&state, &open, &mut journal)?;
        return Ok(state);
    };
    let mut guarded = state.clone();
    for (_, recorded) in guarded.instances.iter_mut().filter(|(address, _)| fresh.contains(address)) {
        recorded.protect = true;
    }
    store.save(&mut guarded)?;
    state.serial = guarded.serial;
    let disk = store.disk().as_ref();
    let replace = |edit: &Edit| -> Result<(), FileError> {
        match &edit.old {
            Some(old) => replace_file(disk, &suffixed(&edit.path, ".backup"), Some(&edit.path), old)?,
            None if disk.read(&edit.path).is_ok() => {
                let source = ErrorKind::AlreadyExists.into();
                return Err(FileError { operation: "create", path: edit.path.clone(), source });
            }
            None => {}
        }
        replace_file(disk, &edit.path, None, &edit.new)
    };
    if let Err(error) = replace(edit).map_err(StateError::from) {
        before.serial = guarded.serial;
        let undone = store.amend(&mut before).and_then(|_| rewrite_journal(&before, &open, &mut journal));
        // It may have failed after the new text was in its place.
        let manifest = match &edit.old {
            Some(old) => replace_file(disk, &edit.path, None, old),
            None => remove_new(disk, edit),
        };
        return Err(match (undone, manifest) {
            (Err(_), _) => OpsError::mistake(
                format!("{error}, and the state could not be put back"),
                ["the state of before is in its .backup; what was added to it is protected until the manifest has it"],
            ),
            _ => error.into(),
        });
    }
    // Were this not to succeed, what is new would stay protected until the next apply: no harm, so no failure.
    if store.amend(&mut state).is_err() {
        state = guarded;
    }
    rewrite_journal(&state, &open, &mut journal)?;
    Ok(state)
}

/// Removes a manifest that this run created. One that another process created meanwhile is not its own.
fn remove_new(disk: &dyn Disk, edit: &Edit) -> Result<(), FileError> {
    match disk.read(&edit.path) {
        Ok(bytes) if bytes == edit.new => {
            disk.remove(&edit.path).map_err(|source| FileError { operation: "remove", path: edit.path.clone(), source })
        }
        _ => Ok(()),
    }
}
