//! The port to the file system. Its operations are the ones whose order decides what survives a crash, so that a test
//! can stop at each of them, or keep only what was synced.
//!
//! No operation follows a symbolic link at the last part of a path: a link that somebody planted there would lead a write, a
//! read or a truncation to another file. A path that may be a link is resolved first, once, with [`Disk::resolve`].

mod replace;

pub use replace::{FileError, create_private_folder, parent, prove_replaceable, remove_strays, replace_file, suffixed};

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Files. A write is durable only after `sync`, a rename or a new name only after `sync_dir` of its folder.
pub trait Disk: Send + Sync {
    /// The whole content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Creates a file with mode 0600 that must not exist yet, and writes `bytes`.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Appends `bytes`, creating the file with mode 0600.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to `len` bytes.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Makes a file's content durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Replaces `to` by `from`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Creates a folder and its parents, each that is new with mode 0700.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Gives `to` the owner, the group and the mode of `from`, as far as this user may. A disk that has none does nothing.
    fn copy_access(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }
    /// Whether there is space for `len` more bytes in the folder of `path`, where the disk can tell.
    fn reserve(&self, _path: &Path, _len: u64) -> io::Result<()> {
        Ok(())
    }
    /// How many names a file has. A disk without hard links has one.
    fn names(&self, _path: &Path) -> io::Result<u64> {
        Ok(1)
    }
    /// Names of a folder's files that begin with `prefix`.
    fn list(&self, _dir: &Path, _prefix: &str) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
    /// A text that no other temporary name has.
    fn unique(&self) -> String {
        "0000000000000000".to_owned()
    }
    /// The file that a path leads to, links followed. A path without a file is itself; a dangling link is an error.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}

/// The real file system.
pub struct OsDisk;

/// Longest chain of links that is followed, as the kernel does.
const LINKS_MAX: usize = 40;

impl OsDisk {
    /// Opens a regular file without following a link, and without waiting for the other end of a pipe.
    fn open(path: &Path, options: &mut std::fs::OpenOptions) -> io::Result<std::fs::File> {
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            use std::os::unix::fs::OpenOptionsExt;
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            options.mode(0o600).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
        }
        let file = options.open(path).map_err(|error| explain_link(path, error))?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        }
    }
}

fn explain_link(path: &Path, error: io::Error) -> io::Error {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link, which is not followed here: remove it")
        }
        _ => error,
    }
}

/// Opens a lock file, creating it with the access of `like`, or with mode 0600 where that is not there.
///
/// # Errors
/// When the system refuses, and for a link or another thing that is not a regular file.
pub fn open_lock(path: &Path, like: &Path, create: bool) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true);
    if create {
        match OsDisk::open(path, options.clone().create_new(true)) {
            Ok(file) => {
                // Whoever may write the state may lock it. Where there is none yet, the next run sees to it.
                let _no_state_yet = OsDisk.copy_access(like, path);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    OsDisk::open(path, &mut options)
}

impl Disk for OsDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Self::open(path, std::fs::OpenOptions::new().read(true))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Self::open(path, std::fs::OpenOptions::new().write(true).create_new(true))?.write_all(bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Self::open(path, std::fs::OpenOptions::new().append(true).create(true))?.write_all(bytes)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        Self::open(path, std::fs::OpenOptions::new().write(true))?.set_len(len)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        Self::open(path, std::fs::OpenOptions::new().read(true))?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::File::open(dir)?.sync_all()
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(dir)
    }

    fn copy_access(&self, from: &Path, to: &Path) -> io::Result<()> {
        let wanted = std::fs::symlink_metadata(from)?;
        if wanted.is_symlink() {
            // Its mode says nothing, and what it leads to is somebody else's.
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut permissions = wanted.permissions();
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
            let has = std::fs::symlink_metadata(to)?;
            let (uid, gid) = (wanted.uid(), wanted.gid());
            if (has.uid(), has.gid()) != (uid, gid) && chown(to, Some(uid), Some(gid)).is_err() {
                // Only root gives files away; a member of the group can still keep the group.
                let _not_a_member = chown(to, None, Some(gid));
            }
            if std::fs::symlink_metadata(to)?.gid() != gid {
                // These bits were meant for another group.
                permissions.set_mode(permissions.mode() & !0o070);
            }
        }
        let mut options = std::fs::OpenOptions::new();
        Self::open(to, options.write(true))?.set_permissions(permissions)
    }

    fn reserve(&self, path: &Path, len: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let file = Self::open(path, std::fs::OpenOptions::new().write(true))?;
            let result = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, len.max(1));
            match result {
                Err(errno @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => Err(errno.into()),
                // A file system that cannot reserve space does not show whether there is any.
                _ => Ok(()),
            }
        }
        #[cfg(not(target_os = "linux"))]
        Ok(())
    }

    fn names(&self, path: &Path) -> io::Result<u64> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(std::fs::symlink_metadata(path)?.nlink())
        }
        #[cfg(not(unix))]
        Ok(1)
    }

    fn list(&self, dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(dir)?.filter_map(Result::ok);
        let is_meant = |name: &OsString| name.to_string_lossy().starts_with(prefix);
        Ok(entries.filter(|entry| is_meant(&entry.file_name())).map(|entry| entry.path()).collect())
    }

    fn unique(&self) -> String {
        let mut bytes = [0; 8];
        // Without randomness the exclusive creation still keeps two names apart: the second one fails.
        let _no_randomness = getrandom::fill(&mut bytes);
        format!("{:016x}", u64::from_le_bytes(bytes))
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    let target = std::fs::read_link(&path)?;
                    let next = parent(&path).join(&target);
                    if std::fs::symlink_metadata(&next).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                        let what = format!("it is a link to {}, which does not exist", target.display());
                        return Err(io::Error::new(io::ErrorKind::NotFound, what));
                    }
                    path = next;
                }
                Ok(_) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("its links lead in a circle"))
    }
}
