//! The one way to replace a file: a temporary file beside it, sync, rename, sync of the folder.

use super::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// An operation that the disk refused.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} {}", path.display())]
pub struct FileError {
    /// `read`, `write`, …
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

/// How the name of a temporary file ends. Before it stands a text of its own for each file.
const TEMPORARY: &str = ".tmp";

/// Replaces a file whole: whoever reads it sees the old bytes or the new ones. Owner, group and mode are those of `path` if it
/// is there, else those of `like`, else the user's own with 0600. The temporary file is gone however this ends, unless the
/// process is killed.
///
/// # Errors
/// When the disk refuses. Before the rename the old file is whole.
pub fn replace_file(disk: &dyn Disk, path: &Path, like: Option<&Path>, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = suffixed(path, &format!(".{}{TEMPORARY}", disk.unique()));
    let written = write_and_rename(disk, path, like, &temporary, bytes);
    if written.is_err() {
        let _it_may_be_renamed = disk.remove(&temporary);
    }
    written
}

fn write_and_rename(
    disk: &dyn Disk,
    path: &Path,
    like: Option<&Path>,
    temporary: &Path,
    bytes: &[u8],
) -> Result<(), FileError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| FileError { operation, path, source }
    };
    // The temporary name tells the user nothing, so errors name the file.
    disk.create(temporary, bytes).map_err(failed("write", path))?;
    for model in [Some(path), like].into_iter().flatten() {
        match disk.copy_access(model, temporary) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("keep the access of", path)(error)),
        }
    }
    disk.sync(temporary).map_err(failed("sync", path))?;
    disk.rename(temporary, path).map_err(failed("replace", path))?;
    disk.sync_dir(parent(path)).map_err(failed("sync folder of", path))
}

/// Proves that a file can be replaced as `replace_file` will do it, and that there is space for `len` bytes more.
///
/// # Errors
/// What would stop it.
pub fn prove_replaceable(disk: &dyn Disk, path: &Path, old: Option<&[u8]>, len: u64) -> Result<(), FileError> {
    let failed = |operation| move |source| FileError { operation, path: path.to_owned(), source };
    let scratch = suffixed(path, &format!(".{}{TEMPORARY}", disk.unique()));
    let tried = disk.create(&scratch, b"").and_then(|()| disk.reserve(&scratch, len)).map_err(failed("write beside"));
    let removed = disk.remove(&scratch).map_err(failed("remove a temporary file of"));
    tried.and(removed)?;
    match old {
        // The same bytes: whatever refuses the last save of the run refuses this one.
        Some(old) => replace_file(disk, path, None, old),
        None => disk.sync_dir(parent(path)).map_err(failed("sync folder of")),
    }
}

/// Removes temporary files of `path` that killed processes left. For the holder of the lock alone.
pub fn remove_strays(disk: &dyn Disk, path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
    for found in disk.list(parent(path), name).unwrap_or_default() {
        let rest = found.file_name().and_then(|found| found.to_str()).and_then(|found| found.strip_prefix(name));
        let is_temporary = rest.and_then(|rest| rest.strip_suffix(TEMPORARY)).is_some_and(|rest| {
            // `.0123456789abcdef`, also behind the suffix of a sibling.
            let unique = rest.rsplit('.').next().unwrap_or_default();
            unique.len() == 16 && unique.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if is_temporary {
            let _harmless = disk.remove(&found);
        }
    }
}

/// Creates the folder of a file, with mode 0700 where it is new.
///
/// # Errors
/// When the disk refuses.
pub fn create_private_folder(disk: &dyn Disk, path: &Path) -> Result<(), FileError> {
    let folder = parent(path);
    let failed = |source| FileError { operation: "create folder", path: folder.to_owned(), source };
    disk.create_dir_all(folder).map_err(failed)
}

/// The folder of a path.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A path with a text behind its last part.
pub fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
