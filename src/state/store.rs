//! Where a state lives: `<stack>.json`, its backup and its journal, side by side in one folder.
//!
//! What survives a crash: after `save` returned, the new state; before, the old one or the new one, whole. The backup is
//! the state before the last save and is written first, so that no moment has neither.

use super::codec::{self, DecodeError};
use super::journal::Header;
use super::prior::{Binding, PriorState};
use crate::disk::{
    Disk, FileError, create_private_folder, parent, prove_replaceable, remove_strays, replace_file, suffixed,
};
use crate::model::Site;
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
    #[error("{} {}", path.display(), match source { DecodeError::Newer(_) => "was written by a newer version", _ => "is damaged" })]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: DecodeError,
    },
    /// The file is empty, and its backup shows that it was not.
    #[error("{} is empty, and it was not: {}.backup is there", path.display(), path.display())]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// What a run does could not be recorded.
    #[error("{} cannot be replaced, as every run does at its end", path.display())]
    NotReplaceable {
        /// The file.
        path: PathBuf,
        /// What the disk refused.
        source: FileError,
    },
    /// Hard links: replacing the file would leave the other names with an old state.
    #[error("{} has several names (hard links), and only this one would have the new state", path.display())]
    SeveralNames {
        /// The file.
        path: PathBuf,
    },
    /// The path cannot be that of a state.
    #[error("{} cannot be a state: names that end in `{suffix}` are those of files beside a state", path.display())]
    ReservedName {
        /// The path.
        path: PathBuf,
        /// How it ends.
        suffix: &'static str,
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
        /// The way out.
        help: String,
    },
    /// The journal records the operations of something else.
    #[error("the journal {} belongs to {what} `{recorded}`, and this run is for `{asked}`", path.display())]
    ForeignJournal {
        /// The file.
        path: PathBuf,
        /// stack, site, region, endpoint or account.
        what: &'static str,
        /// What its header says.
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
    /// The orders of interrupted commands cannot be used.
    #[error("{} {problem}", path.display())]
    Unfinished {
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
                io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
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
            Self::Damaged { path, source: DecodeError::Conflict { .. } } => format!(
                "nothing was changed. A merge cannot decide which machines exist: take one side with \
                 `git checkout --ours -- {0}` or `--theirs`, then run `lhprov state rebuild` to add what the other side bought",
                shell_quoted(path)
            ),
            Self::Damaged { path, .. } => format!(
                "nothing was changed. Restore the file: `git checkout -- {0}`, or `cp {0}.backup {0}`; or make it again from \
                 what the cloud has: move it aside and run `lhprov state rebuild`",
                shell_quoted(path)
            ),
            Self::Emptied { path } => format!("nothing was changed. Restore it: `cp {0}.backup {0}`", shell_quoted(path)),
            Self::NotReplaceable { source, .. } => match source.source.raw_os_error() {
                Some(EBUSY) => "nothing was bought. The file itself is mounted here (as by `docker run -v FILE:FILE`) and a mounted \
                                file cannot be replaced: mount its folder"
                    .into(),
                Some(EINVAL) => "nothing was bought. This file system cannot make a folder durable: keep the state on another".into(),
                _ => match source.source.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => "nothing was bought; free some space and run the command again".into(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        "nothing was bought. Make the folder of the state writable for this user, or name another file with --state"
                            .into()
                    }
                    _ => "nothing was bought. Keep the state in a folder where files can be created and renamed".into(),
                },
            },
            Self::SeveralNames { path } => format!(
                "nothing was bought. Make it a file of its own: `cp -p {0} {0}.own && mv {0}.own {0}`, or remove the other names",
                shell_quoted(path)
            ),
            Self::ReservedName { .. } => "name another file with --state, for example one that ends in .json".into(),
            Self::Foreign { help, .. } => help.clone(),
            Self::ForeignJournal { what, recorded, asked, .. } => format!(
                "nothing was changed. The journal records requests of {what} `{recorded}` that are in no state yet: apply with \
                 {what} `{recorded}` on this state file first; for `{asked}` name a state file of its own with --state"
            ),
            Self::Unfinished { path, .. } => format!(
                "nothing was changed. It lists renewals and replacements of interrupted commands, which must not be ordered twice. \
                 If none was interrupted in the last seven days, move {} aside",
                path.display()
            ),
            Self::Journal { path, .. } => format!(
                "nothing was changed. The journal records purchases under way: restore it from version control together with the state. \
                 Only if you are sure that nothing is under way, move {} aside",
                path.display()
            ),
        }
    }
}

/// Error numbers that `io::ErrorKind` has no stable name for; the same on every Unix.
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;

impl From<FileError> for StateError {
    fn from(error: FileError) -> Self {
        let FileError { operation, path, source } = error;
        Self::Io { operation, path, source }
    }
}

/// A path as a shell takes it.
fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// How names of files beside a state end.
const RESERVED: [&str; 6] = [".backup", ".journal", ".lock", ".begun", ".unfinished", ".tmp"];

/// What `Store::old_name` says of a state at `path`.
pub(super) fn old_name(path: &Path, extension: &str) -> Option<PathBuf> {
    path.extension().is_some_and(|end| end == "json").then(|| path.with_extension(extension))
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

    /// The state that a path given by the user leads to. Links are followed once, here, so that two names of one state have one
    /// lock, one journal and one backup.
    ///
    /// # Errors
    /// For a dangling link, and for a name that a file beside a state has.
    pub fn find(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, StateError> {
        let io = |source| StateError::Io { operation: "find", path: path.to_owned(), source };
        let found = disk.resolve(path).map_err(io)?;
        for path in [path, &found] {
            let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
            if let Some(suffix) = RESERVED.into_iter().find(|suffix| name.ends_with(suffix)) {
                return Err(StateError::ReservedName { path: path.to_owned(), suffix });
            }
        }
        Ok(Self::new(disk, found))
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
        suffixed(&self.path, ".journal")
    }

    /// The name that an older version gave a sibling of `shop.json`: `shop.journal`. Other states have none, since theirs may be
    /// another state's.
    pub(super) fn old_name(&self, extension: &str) -> Option<PathBuf> {
        old_name(&self.path, extension)
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
        if bytes.is_empty() {
            return self.load_empty();
        }
        codec::decode(&bytes).map(Some).map_err(|source| StateError::Damaged { path: self.path.clone(), source })
    }

    /// An empty file is what `touch` and container mounts make before the first run, if nothing else of the state is there.
    fn load_empty(&self) -> Result<Option<PriorState>, StateError> {
        let is_there = |path: &Path| self.disk.read(path).is_ok();
        match is_there(&self.backup_path()) {
            true => Err(StateError::Emptied { path: self.path.clone() }),
            false => Ok(None),
        }
    }

    /// Proves that the state can be replaced as the end of the run will do it, with `more` bytes in it, before anything is
    /// bought. For the holder of the lock.
    ///
    /// # Errors
    /// What would keep the run from recording its result.
    pub fn prove_replaceable(&self, more: u64) -> Result<(), StateError> {
        let disk = self.disk.as_ref();
        let unwritable = |error: FileError| StateError::NotReplaceable { path: self.path.clone(), source: error };
        create_private_folder(disk, &self.path).map_err(unwritable)?;
        remove_strays(disk, &self.path);
        let old = match disk.read(&self.path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(StateError::Io { operation: "read", path: self.path.clone(), source }),
        };
        if old.is_some() && disk.names(&self.path).is_ok_and(|names| names > 1) {
            return Err(StateError::SeveralNames { path: self.path.clone() });
        }
        // The state and its backup.
        let len = 2 * (old.as_ref().map_or(0, Vec::len) as u64 + more);
        prove_replaceable(disk, &self.path, old.as_deref(), len).map_err(unwritable)
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
        create_private_folder(self.disk.as_ref(), &self.path)?;
        if let Some(old) = old.filter(|old| with_backup && !old.is_empty()) {
            replace_file(self.disk.as_ref(), &self.backup_path(), Some(&self.path), &old)?;
        }
        state.serial += 1;
        let written = replace_file(self.disk.as_ref(), &self.path, None, &codec::encode(state));
        if written.is_err() {
            state.serial -= 1;
        }
        Ok(written.map(|()| true)?)
    }
}

/// Refuses a state that belongs to something else. An account is compared where both sides have one; whether a run may go on
/// without is not decided here.
///
/// # Errors
/// Names the first difference.
pub fn check_binding(path: &Path, recorded: &Binding, asked: &Binding) -> Result<(), StateError> {
    let recorded = [
        Some(recorded.stack.as_str()),
        Some(recorded.site.as_str()),
        Some(&recorded.region),
        Some(&recorded.endpoint),
        recorded.account.as_deref(),
    ];
    match first_difference(recorded, asked) {
        None => Ok(()),
        Some((what, recorded, asked)) => Err(StateError::Foreign {
            path: path.to_owned(),
            what,
            recorded,
            asked,
            help: "name the right state with --state, or change the manifest back".into(),
        }),
    }
}

/// Refuses a journal that belongs to something else. What journals of earlier versions do not record is not compared.
///
/// # Errors
/// Names the first difference.
pub fn check_journal(path: &Path, header: &Header, asked: &Binding) -> Result<(), StateError> {
    let recorded = [
        Some(header.stack.as_str()),
        header.site.map(Site::as_str),
        header.region.as_deref(),
        header.endpoint.as_deref(),
        header.account.as_deref(),
    ];
    match first_difference(recorded, asked) {
        None => Ok(()),
        Some((what, recorded, asked)) => {
            Err(StateError::ForeignJournal { path: path.to_owned(), what, recorded, asked })
        }
    }
}

/// The first of stack, site, region, endpoint and account that both sides have and that differs: its name and both values.
fn first_difference(recorded: [Option<&str>; 5], asked: &Binding) -> Option<(&'static str, String, String)> {
    let asked = [
        ("stack", Some(asked.stack.as_str())),
        ("site", Some(asked.site.as_str())),
        ("region", Some(asked.region.as_str())),
        ("endpoint", Some(asked.endpoint.as_str())),
        ("account", asked.account.as_deref()),
    ];
    let pairs = recorded.into_iter().zip(asked);
    let mut both = pairs.filter_map(|(recorded, (what, asked))| Some((what, recorded?.to_owned(), asked?.to_owned())));
    both.find(|(_, recorded, asked)| recorded != asked)
}
