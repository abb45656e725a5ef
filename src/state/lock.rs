//! Who may write: a kernel lock on `<state>.lock`, with a readable record of the holder inside.
//!
//! The kernel gives the lock back when its holder ends, however it ends, so it can never outlive its owner. The record is for
//! people; it decides nothing.

use super::store::old_name;
use crate::disk::Disk as _;
use crate::disk::{FileError, OsDisk, create_private_folder, open_lock, suffixed};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Command line, secrets never being part of one.
    pub command: String,
    /// Since when.
    pub since: Timestamp,
}

/// Shared for plan, exclusive for whatever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Several at once.
    Shared,
    /// One alone.
    Exclusive,
}

/// A held lock; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Held beside it where an older version may run.
    _old: Option<File>,
    mode: Mode,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("the state is locked{}", .0.as_ref().map(|h| format!(" by `{}` (pid {} on {}, since {})", h.command, h.pid, h.host, h.since)).unwrap_or_default())]
    Held(Option<Holder>),
    /// The file system has no locks.
    #[error("the file system of {} has no locks", path.display())]
    Unsupported {
        /// The lock file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file system refused.
    #[error("failed to lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Tries once to take the lock beside the state at `state_path`. A shared lock where not even the folder exists, or where it
/// cannot be written, is no lock: there is nothing to protect from, or nobody who could write.
///
/// # Errors
/// `Held` with the holder as far as it can be read.
pub fn try_lock(state_path: &Path, mode: Mode, me: &Holder) -> Result<Option<Lock>, LockError> {
    if mode == Mode::Exclusive {
        let failed = |error: FileError| LockError::Io { path: error.path, source: error.source };
        create_private_folder(&OsDisk, state_path).map_err(failed)?;
    }
    let path = suffixed(state_path, ".lock");
    let Some(file) = lock_file(&path, state_path, mode, true)? else { return Ok(None) };
    // A process of an older version locks another name, and has made that file.
    let old = match old_name(state_path, "lock") {
        Some(old) => lock_file(&old, state_path, mode, false)?,
        None => None,
    };
    let mut lock = Lock { file, _old: old, mode };
    if mode == Mode::Exclusive {
        // The state may have been shared with a group since. Only the owner can do that, and only then it is needed.
        let _not_the_owner = OsDisk.copy_access(state_path, &path);
        lock.write_holder(me).map_err(|source| LockError::Io { path: path.clone(), source })?;
    }
    Ok(Some(lock))
}

fn lock_file(path: &Path, state_path: &Path, mode: Mode, create: bool) -> Result<Option<File>, LockError> {
    let io = |source| LockError::Io { path: path.to_owned(), source };
    let file = match open_lock(path, state_path, create) {
        Ok(file) => file,
        Err(error) if !create && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error)
            if mode == Mode::Shared
                && matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(io(error)),
    };
    let tried = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match tried {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(LockError::Held(read_holder(&file))),
        // What only reads changes nothing that a lock would have to protect.
        Err(TryLockError::Error(error)) if mode == Mode::Shared && has_no_locks(&error) => Ok(None),
        Err(TryLockError::Error(error)) if has_no_locks(&error) => {
            Err(LockError::Unsupported { path: path.to_owned(), source: error })
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// ENOLCK, ENOSYS and EOPNOTSUPP: the file system has no locks.
fn has_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let codes = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| codes.contains(&code)) || error.kind() == io::ErrorKind::Unsupported
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

impl Lock {
    fn write_holder(&mut self, me: &Holder) -> io::Result<()> {
        let text = serde_json::to_string(me).map_err(io::Error::other)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.mode == Mode::Exclusive {
            // The record would name a holder that is no more. Failing to clear it harms nobody: the kernel lock decides.
            let _ = self.file.set_len(0);
        }
        let _ = self.file.unlock();
    }
}
