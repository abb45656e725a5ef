//! Which files a manifest may name.
//!
//! A manifest comes from a repository, and so from whoever may open a pull request. A file that it names is read by the job
//! that plans, and part of it can end up in a plan, a comment or an error text. So `include`, `{file: …}` and links stay
//! inside one folder, the *root*: that of `--root`, else the repository around the manifest, else the manifest's folder.

use super::source::ReadProblem;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Folders of the kernel: their files are processes, memory and devices, whatever the root is.
const SYSTEM_FOLDERS: [&str; 3] = ["/proc", "/dev", "/sys"];

/// Holds credentials of the checkout, and never a manifest.
const GIT_FOLDER: &str = ".git";

/// Why a file may not be read although it may well exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is outside of {0}")]
    Outside(&'static str),
    #[error("files below {0} are never read")]
    SystemFolder(&'static str),
    #[error("files of the repository's {GIT_FOLDER} folder are never read")]
    GitFolder,
    #[error("it is neither a file nor a folder")]
    Special,
}

/// The folders in which the files must be that one manifest names.
#[derive(Clone, Debug, Default)]
pub(super) struct Roots {
    /// Canonical.
    folders: Vec<PathBuf>,
    /// For messages, which name no path of the machine.
    kind: &'static str,
}

impl Roots {
    /// Those of `--root`, if any; else the repository or folder that holds the file or folder `path`.
    pub(super) fn of(given: &[PathBuf], path: &Path) -> Self {
        if !given.is_empty() {
            let folders = given.iter().map(|folder| canonical_or_same(folder)).collect();
            return Self { folders, kind: "the folders of --root" };
        }
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let folder = canonical_or_same(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let repository = folder.ancestors().find(|folder| folder.join(GIT_FOLDER).exists());
        match repository {
            Some(repository) => Self { folders: vec![repository.to_owned()], kind: "the repository" },
            None => Self { folders: vec![folder], kind: "the manifest's folder" },
        }
    }

    /// The canonical path of a file or folder that may be read.
    pub(super) fn admit(&self, path: &Path) -> Result<PathBuf, ReadProblem> {
        let real = fs::canonicalize(path).map_err(ReadProblem::Io)?;
        if let Some(folder) = SYSTEM_FOLDERS.iter().find(|folder| real.starts_with(folder)) {
            return Err(ReadProblem::Refused(Refusal::SystemFolder(folder)));
        }
        let Some(inside) = self.folders.iter().find_map(|root| real.strip_prefix(root).ok()) else {
            return Err(ReadProblem::Refused(Refusal::Outside(self.kind)));
        };
        if inside.components().any(|part| part == Component::Normal(GIT_FOLDER.as_ref())) {
            return Err(ReadProblem::Refused(Refusal::GitFolder));
        }
        let kind = fs::metadata(&real).map_err(ReadProblem::Io)?.file_type();
        match kind.is_file() || kind.is_dir() {
            true => Ok(real),
            // Opening a pipe would wait for its other end.
            false => Err(ReadProblem::Refused(Refusal::Special)),
        }
    }
}

/// Whether the user typed a device or a process's file, such as `/dev/stdin` or what `<(…)` stands for. That is no file of a
/// repository, and nothing but the command line can name it.
pub(super) fn is_typed_device(path: &Path) -> bool {
    SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Where a path cannot be resolved, reading it says why.
fn canonical_or_same(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_: io::Error| path.to_owned())
}
