//! A disk on which only synced bytes certainly survive a crash.
//!
//! What was written and not synced may be there afterwards, in part, or not at all; a rename or a new name without a sync of
//! its folder may or may not have happened. Chance decides, from the seed.

use super::chance::Chance;
use crate::state::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Told before each operation: whether it takes place.
pub trait Gate: Send + Sync {
    /// `Err` if the process is dead, or dies now, or the disk refuses.
    fn pass(&self, operation: &'static str) -> io::Result<()>;
}

#[derive(Clone, Default)]
struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Default)]
struct Files {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    syncs: u64,
    bytes: u64,
}

impl Files {
    /// The file of this name, made if there is none.
    fn open(&mut self, path: &Path) -> &mut Inode {
        let next = self.inodes.len();
        let inode = *self.names.entry(path.to_owned()).or_insert(next);
        if inode == next {
            self.inodes.push(Inode::default());
        }
        &mut self.inodes[inode]
    }
}

/// The simulated disk. Clones share it.
#[derive(Clone)]
pub struct SimDisk {
    files: Arc<Mutex<Files>>,
    gate: Arc<dyn Gate>,
    /// A disk that forgets to sync: for the proof that the simulation would notice.
    lying: bool,
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl SimDisk {
    /// An empty disk.
    pub fn new(gate: Arc<dyn Gate>, lying: bool) -> Self {
        Self { files: Arc::default(), gate, lying }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes: what was not synced is decided by chance.
    pub fn crash(&self, chance: &mut Chance) {
        let mut files = self.files();
        let files = &mut *files;
        for inode in &mut files.inodes {
            if inode.data == inode.durable {
                continue;
            }
            let kept = if inode.data.starts_with(&inode.durable) {
                let tail = inode.data.len() - inode.durable.len();
                // Nothing, all, or a torn piece of what was appended.
                let extra = match chance.below(3) {
                    0 => 0,
                    1 => tail,
                    _ => chance.below(tail as u64 + 1) as usize,
                };
                inode.data[..inode.durable.len() + extra].to_vec()
            } else if chance.below(2) == 0 {
                inode.durable.clone()
            } else if inode.durable.starts_with(&inode.data) {
                // Cut shorter, and not written over: either length, and nothing between is lost.
                inode.data.clone()
            } else {
                inode.data[..chance.below(inode.data.len() as u64 + 1) as usize].to_vec()
            };
            inode.data.clone_from(&kept);
            inode.durable = kept;
        }
        if files.names != files.durable_names && chance.below(2) == 0 {
            files.names = files.durable_names.clone();
        }
        files.durable_names = files.names.clone();
    }

    /// Puts bytes into a file, as an editor does.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        self.files().open(path).data = bytes.to_vec();
    }

    /// Loses a file, as a user does who deletes it or a checkout that never had it.
    pub fn lose(&self, path: &Path) {
        let mut files = self.files();
        files.names.remove(path);
        files.durable_names.remove(path);
    }

    /// How often something was synced, and how many bytes were written.
    pub fn counts(&self) -> (u64, u64) {
        let files = self.files();
        (files.syncs, files.bytes)
    }

    /// The synced part of a file under a synced name; empty if there is none.
    pub fn durable_text(&self, path: &Path) -> String {
        let files = self.files();
        let inode = files.durable_names.get(path).map(|inode| &files.inodes[*inode]);
        inode.map(|inode| String::from_utf8_lossy(&inode.durable).into_owned()).unwrap_or_default()
    }

    /// All files, to be put back later.
    pub fn keep(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.files();
        files.names.iter().map(|(path, inode)| (path.clone(), files.inodes[*inode].data.clone())).collect()
    }

    /// Puts back what was kept, as a user does who restores a folder: nothing else is there afterwards.
    pub fn restore(&self, kept: &BTreeMap<PathBuf, Vec<u8>>) {
        let mut files = self.files();
        let files = &mut *files;
        files.names.clear();
        for (path, data) in kept {
            files.names.insert(path.clone(), files.inodes.len());
            files.inodes.push(Inode { data: data.clone(), durable: data.clone() });
        }
        files.durable_names = files.names.clone();
    }

    /// What files there are; for messages.
    pub fn dump(&self) -> String {
        let files = self.files();
        let mut text = String::new();
        for (path, inode) in &files.names {
            text.push_str(&format!("--- {}\n{}", path.display(), String::from_utf8_lossy(&files.inodes[*inode].data)));
        }
        text
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.gate.pass("read")?;
        let files = self.files();
        files.names.get(path).map(|inode| files.inodes[*inode].data.clone()).ok_or_else(missing)
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.gate.pass("write")?;
        let mut files = self.files();
        if files.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files.bytes += bytes.len() as u64;
        files.open(path).data = bytes.to_vec();
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.gate.pass("append")?;
        let mut files = self.files();
        files.bytes += bytes.len() as u64;
        files.open(path).data.extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.gate.pass("truncate")?;
        let mut files = self.files();
        let inode = *files.names.get(path).ok_or_else(missing)?;
        files.inodes[inode].data.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.gate.pass("sync")?;
        let mut files = self.files();
        files.syncs += 1;
        let inode = *files.names.get(path).ok_or_else(missing)?;
        if !self.lying {
            let inode = &mut files.inodes[inode];
            inode.durable.clone_from(&inode.data);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate.pass("rename")?;
        let mut files = self.files();
        let inode = files.names.remove(from).ok_or_else(missing)?;
        files.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.gate.pass("remove")?;
        self.files().names.remove(path).map(|_| ()).ok_or_else(missing)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.gate.pass("sync folder")?;
        let mut files = self.files();
        files.syncs += 1;
        if !self.lying {
            files.durable_names = files.names.clone();
        }
        Ok(())
    }

    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        self.gate.pass("create folder")
    }

    fn unique(&self) -> String {
        // Files are never forgotten, so no two temporary files have one number.
        format!("{:016x}", self.files().inodes.len())
    }

    fn list(&self, dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
        self.gate.pass("list")?;
        let is_meant = |path: &&PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            path.parent() == Some(dir) && name.starts_with(prefix)
        };
        Ok(self.files().names.keys().filter(is_meant).cloned().collect())
    }
}
