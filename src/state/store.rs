//! Where a state lives: `<stack>.json`, its backup and its journal, side by side in one folder.
//!
//! What survives a crash: after `save` returned, the new state; before, the old one or the new one, whole. The backup is
//! the state before the last save and is written first, so that no moment has neither.

use super::codec::{self, DecodeError};
use super::disk::Disk;
use super::prior::{Binding, PriorState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can go wrong with a state. The text says what and where; `help` says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk refused.
    #[error("failed to {operation} {}", path.display())]
    Io {
        /// `read`, `write`, …
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not a state.
    #[error("{} {}", path.display(), match source { DecodeError::Newer(_) => "was written by a newer version", DecodeError::Damaged { .. } => "is damaged" })]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: DecodeError,
    },
    /// The file belongs to something else.
    #[error("{} belongs to {what} `{recorded}`, and this run is for `{asked}`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// stack, site, region, endpoint or account.
        what: &'static str,
        /// What the file says.
        recorded: String,
        /// What this run says.
        asked: String,
    },
    /// A later version wrote the journal.
    #[error("the journal {} was written by a newer version: it has format {format}, and this version of lhprov knows formats up to {}", path.display(), super::journal::FORMAT)]
    NewerJournal {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
    /// The journal cannot be used.
    #[error("the journal {} {problem}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as a predicate.
        problem: String,
    },
}

impl StateError {
    /// The way out.
    pub fn help(&self) -> String {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => {
                    "free some space and run the command again; nothing that was bought is forgotten".into()
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "make the folder writable for this user, or name another file with --state".into()
                }
                _ => "check the path, or name another file with --state".into(),
            },
            Self::Damaged { path, source: DecodeError::Newer(_) } | Self::NewerJournal { path, .. } => {
                format!("use the version of lhprov that wrote {}, or a later one", path.display())
            }
            Self::Damaged { path, .. } => {
                format!(
                    "nothing was changed. Restore the file from version control, or from {}.backup if there is one",
                    path.display()
                )
            }
            Self::Foreign { .. } => "name the right state with --state, or change the manifest back".into(),
            Self::Journal { path, .. } => format!(
                "nothing was changed. The journal records purchases under way: restore it from version control together with the state. \
                 Only if you are sure that nothing is under way, move {} aside",
                path.display()
            ),
        }
    }
}

/// One state's place on disk.
#[derive(Clone)]
pub struct Store {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Store {
    /// The state at `path`.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self { disk, path: path.into() }
    }

    /// The state file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The disk it lives on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The journal beside it.
    pub fn journal_path(&self) -> PathBuf {
        self.path.with_extension("journal")
    }

    /// The previous serial beside it.
    pub fn backup_path(&self) -> PathBuf {
        suffixed(&self.path, ".backup")
    }

    /// Reads the state; `None` where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read or is not a state of a known format.
    pub fn load(&self) -> Result<Option<PriorState>, StateError> {
        let bytes = match self.disk.read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::Io { operation: "read", path: self.path.clone(), source }),
        };
        codec::decode(&bytes).map(Some).map_err(|source| StateError::Damaged { path: self.path.clone(), source })
    }

    /// Writes the state if it differs from what is there, raising its serial. Returns whether it was written.
    ///
    /// # Errors
    /// When the disk refuses; the old state is then still whole.
    pub fn save(&self, state: &mut PriorState) -> Result<bool, StateError> {
        self.write(state, true)
    }

    /// `save` for the second half of one change: the backup stays what was before the first half.
    ///
    /// # Errors
    /// As `save`.
    pub fn amend(&self, state: &mut PriorState) -> Result<bool, StateError> {
        self.write(state, false)
    }

    fn write(&self, state: &mut PriorState, with_backup: bool) -> Result<bool, StateError> {
        let old = match self.disk.read(&self.path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(StateError::Io { operation: "read", path: self.path.clone(), source }),
        };
        let folder = parent(&self.path);
        if old.as_deref() == Some(codec::encode(state).as_slice()) {
            // A process that died before us may have put it there and not come to making its name durable.
            let io = |source| StateError::Io { operation: "sync folder of", path: self.path.clone(), source };
            self.disk.sync_dir(folder).map_err(io)?;
            return Ok(false);
        }
        self.disk.create_dir_all(folder).map_err(|source| StateError::Io {
            operation: "create folder",
            path: folder.to_owned(),
            source,
        })?;
        if let Some(old) = old.filter(|_| with_backup) {
            replace(self.disk.as_ref(), &self.backup_path(), &old)?;
        }
        state.serial += 1;
        let written = replace(self.disk.as_ref(), &self.path, &codec::encode(state));
        if written.is_err() {
            state.serial -= 1;
        }
        written.map(|()| true)
    }
}

/// Refuses a state that belongs to something else. An account that either side does not know is no difference.
///
/// # Errors
/// Names the first difference.
pub fn check_binding(path: &Path, recorded: &Binding, asked: &Binding) -> Result<(), StateError> {
    let pairs = [
        ("stack", recorded.stack.as_str(), asked.stack.as_str()),
        ("site", recorded.site.as_str(), asked.site.as_str()),
        ("region", &recorded.region, &asked.region),
        ("endpoint", &recorded.endpoint, &asked.endpoint),
    ];
    let account = recorded.account.as_deref().zip(asked.account.as_deref()).map(|(a, b)| ("account", a, b));
    match pairs.into_iter().chain(account).find(|(_, a, b)| a != b) {
        None => Ok(()),
        Some((what, a, b)) => {
            Err(StateError::Foreign { path: path.to_owned(), what, recorded: a.to_owned(), asked: b.to_owned() })
        }
    }
}

/// Replaces a file whole: temporary file, sync, rename, sync of the folder. The temporary name is fixed, which is safe
/// under the lock and leaves at most one stray file behind a crash.
pub(super) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let temporary = suffixed(path, ".tmp");
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Io { operation, path, source }
    };
    disk.write(&temporary, bytes).map_err(io("write", &temporary))?;
    disk.sync(&temporary).map_err(io("sync", &temporary))?;
    disk.rename(&temporary, path).map_err(io("replace", path))?;
    disk.sync_dir(parent(path)).map_err(io("sync folder of", path))
}

/// Replaces a file that is not a state's, keeping its permissions, after putting what it held beside it as `FILE.backup`.
///
/// # Errors
/// When the disk refuses; the old file is then still whole.
pub fn replace_with_backup(disk: &dyn Disk, path: &Path, old: &[u8], new: &[u8]) -> Result<(), StateError> {
    replace_keeping_mode(disk, path, &suffixed(path, ".backup"), old)?;
    replace_keeping_mode(disk, path, path, new)
}

/// Replaces a file that is not a state's, keeping its permissions.
///
/// # Errors
/// When the disk refuses.
pub fn replace_whole(disk: &dyn Disk, path: &Path, old: &[u8]) -> Result<(), StateError> {
    replace_keeping_mode(disk, path, path, old)
}

/// Writes a file of its own, whole or not at all, readable for its owner alone.
///
/// # Errors
/// When the disk refuses; what was there before is then still whole.
pub fn write_private(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let path = &disk.resolve(path);
    // A stray one may be readable for others, and would stay so.
    let _none_is_fine = disk.remove(&suffixed(path, ".tmp"));
    replace(disk, path, bytes)
}

fn replace_keeping_mode(disk: &dyn Disk, like: &Path, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let temporary = suffixed(path, ".tmp");
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Io { operation, path, source }
    };
    disk.write(&temporary, bytes).map_err(io("write", &temporary))?;
    disk.copy_mode(like, &temporary).map_err(io("write", &temporary))?;
    disk.sync(&temporary).map_err(io("sync", &temporary))?;
    disk.rename(&temporary, path).map_err(io("replace", path))?;
    disk.sync_dir(parent(path)).map_err(io("sync folder of", path))
}

pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
