//! Who may write: a kernel lock on `<stack>.lock`, with a readable record of the holder inside.
//!
//! The kernel gives the lock back when its holder ends, however it ends, so it can never outlive its owner. The record is for
//! people; it decides nothing.

use super::store::parent;
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
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
    mode: Mode,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("the state is locked{}", .0.as_ref().map(|h| format!(" by `{}` (pid {} on {}, since {})", h.command, h.pid, h.host, h.since)).unwrap_or_default())]
    Held(Option<Holder>),
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
    let path = state_path.with_extension("lock");
    let io = |source| LockError::Io { path: path.clone(), source };
    if mode == Mode::Exclusive {
        std::fs::create_dir_all(parent(&path)).map_err(io)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = match options.open(&path) {
        Ok(file) => file,
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
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LockError::Held(read_holder(&file))),
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    let mut lock = Lock { file, mode };
    if mode == Mode::Exclusive {
        lock.write_holder(me).map_err(io)?;
    }
    Ok(Some(lock))
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
