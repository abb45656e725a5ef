//! Where the account is kept: in memory, or in a folder that several processes may use at once.
//!
//! The folder holds `account.log`, one JSON line per call, in the order of the calls; `account.json`, what an older log came
//! to; `settings.json`; and `lock`. Each call holds the lock, takes in what others have appended, acts, and appends its own
//! line; a line with changes is on the disk before the answer is given. A line without its end is that of a process that
//! died in the middle of it: its answer was never given, so it does not count.
//!
//! Every log has an id of its own. `account.json` names the log that it contains and the one that continues it, so a crash
//! between the two files is seen and put right, and a process that kept its account in memory sees that it is outdated.

use super::account::{Account, Change, Forced};
use super::actions::{counted_as, knows};
use super::call::{Answer, Call};
use super::settings::Settings;
use crate::disk::{OsDisk, replace_file};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use thiserror::Error;

const LOG: &str = "account.log";
const SNAPSHOT: &str = "account.json";
const SETTINGS: &str = "settings.json";
const LOCK: &str = "lock";

/// A log longer than this, and than four times what it would come to, is compacted at the next opening.
const COMPACT_BYTES: u64 = 1 << 20;

/// The folder cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system says no.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what the sandbox wrote.
    #[error("{path} is damaged: {why}; `lhprov sandbox reset` starts afresh")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
}

/// What has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls by action.
    pub calls: BTreeMap<String, u64>,
    /// Faults fired, by kind.
    pub faults: BTreeMap<String, u64>,
}

/// What `sandbox status` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Instances by state.
    pub instances: BTreeMap<String, u64>,
    /// Calls by action, faults by kind.
    #[serde(flatten)]
    pub counts: Counts,
}

/// One line of the log.
#[derive(Serialize, Deserialize)]
struct Record {
    action: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

/// The first line of a log.
#[derive(Serialize, Deserialize)]
struct Header {
    log: String,
}

/// `account.json`.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    /// The log that is in here.
    contains: String,
    /// The log that goes on from here.
    continued_by: String,
    counts: Counts,
    changes: Vec<Change>,
}

/// An account and its place.
pub struct Store {
    settings: Settings,
    inner: Mutex<Inner>,
}

struct Inner {
    account: Account,
    counts: Counts,
    place: Option<Place>,
}

struct Place {
    dir: PathBuf,
    lock: File,
    /// The log up to which the account is known; empty if nothing is.
    log: String,
    offset: u64,
}

impl Store {
    /// An account that ends with the process.
    pub fn memory(settings: Settings) -> Self {
        let inner = Inner { account: Account::new(settings.clone()), counts: Counts::default(), place: None };
        Self { settings, inner: Mutex::new(inner) }
    }

    /// The account in `dir`, which is made if it is not there. The settings are kept if the folder has none yet; else they
    /// hold for this process alone.
    ///
    /// # Errors
    /// The folder cannot be used, or what it holds is damaged.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(io_error("create", dir))?;
        let place = Place { dir: dir.to_owned(), lock: open_lock(dir)?, log: String::new(), offset: 0 };
        let inner = Inner { account: Account::new(settings.clone()), counts: Counts::default(), place: Some(place) };
        let store = Self { settings, inner: Mutex::new(inner) };
        store.locked(|inner, settings| {
            let Some(place) = &inner.place else { return Ok(()) };
            let path = place.dir.join(SETTINGS);
            if !path.exists() {
                let text = serde_json::to_vec_pretty(settings).map_err(|error| damaged(&path, error))?;
                write_whole(&path, &text)?;
            }
            inner.compact_if_large()
        })?;
        Ok(store)
    }

    /// The settings of this process.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the account outlives the process.
    pub fn is_kept(&self) -> bool {
        self.guard().place.is_some()
    }

    /// Performs a call under circumstances. `faults` are for the record.
    ///
    /// # Errors
    /// The folder cannot be used. The call may have had its effect.
    pub fn call(&self, call: &Call, forced: &Forced, faults: &[String]) -> Result<Answer, StoreError> {
        self.locked(|inner, _| {
            let answer = inner.account.call_with(call, forced.clone());
            // Names come from outside; those of no action are counted as one.
            let action = match knows(&call.service, &call.action) {
                true => counted_as(&call.action, &call.body),
                false => "(unknown)",
            };
            inner.record(action, faults)?;
            Ok(answer)
        })
    }

    /// Does something to the account that is no call.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn outside(&self, act: impl FnOnce(&mut Account) -> Answer) -> Result<Answer, StoreError> {
        self.locked(|inner, _| {
            let answer = act(&mut inner.account);
            inner.record("(outside the API)", &[])?;
            Ok(answer)
        })
    }

    /// Records a call that came to nothing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn note(&self, action: &str, faults: &[String]) -> Result<(), StoreError> {
        self.locked(|inner, _| inner.record(action, faults))
    }

    /// What there is at `now`, and what has happened.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn status(&self, now: Timestamp) -> Result<Status, StoreError> {
        self.locked(|inner, _| {
            inner.account.advance(now);
            inner.account.take_changes();
            let mut instances = BTreeMap::new();
            for record in inner.account.records() {
                *instances.entry(record.state.as_str().to_owned()).or_default() += 1;
            }
            Ok(Status { instances, counts: inner.counts.clone() })
        })
    }

    fn guard(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the account as it is now, alone.
    fn locked<T>(&self, act: impl FnOnce(&mut Inner, &Settings) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut inner = self.guard();
        if let Some(place) = &inner.place {
            place.lock.lock().map_err(io_error("lock", &place.dir.join(LOCK)))?;
        }
        let result = inner.catch_up(&self.settings).and_then(|()| act(&mut inner, &self.settings));
        if let Some(place) = &mut inner.place {
            if result.is_err() {
                // What is in memory may not be what is in the folder: read all of it the next time.
                place.log.clear();
            }
            // Should it fail, the lock goes when the file is closed.
            let _released = place.lock.unlock();
        }
        result
    }
}

/// The settings that a folder keeps.
///
/// # Errors
/// They cannot be read.
pub fn saved_settings(dir: &Path) -> Result<Option<Settings>, StoreError> {
    let path = dir.join(SETTINGS);
    match read_if_there(&path)? {
        Some(text) => serde_json::from_slice(&text).map(Some).map_err(|error| damaged(&path, error)),
        None => Ok(None),
    }
}

/// Forgets the account and the settings of a folder; its certificates stay. Says whether there was anything.
///
/// # Errors
/// A file cannot be removed.
pub fn reset(dir: &Path) -> Result<bool, StoreError> {
    if !dir.exists() {
        return Ok(false);
    }
    let lock = open_lock(dir)?;
    lock.lock().map_err(io_error("lock", &dir.join(LOCK)))?;
    let mut any = false;
    for name in [LOG, SNAPSHOT, SETTINGS] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Ok(()) => any = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("remove", &path)(error)),
        }
    }
    Ok(any)
}

impl Inner {
    /// Takes in what other processes have done.
    fn catch_up(&mut self, settings: &Settings) -> Result<(), StoreError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        let path = place.dir.join(LOG);
        let known = !place.log.is_empty() && read_header(&path)?.is_some_and(|(log, _)| log == place.log);
        if !known {
            let (changes, counts) = place.start_over()?;
            self.account = Account::new(settings.clone());
            self.counts = counts;
            for change in changes {
                self.account.apply_change(change);
            }
        }
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(io_error("open", &path))?;
        let length = file.metadata().map_err(io_error("read", &path))?.len();
        if length < place.offset {
            return Err(damaged(&path, "it has become shorter"));
        }
        file.seek(SeekFrom::Start(place.offset)).map_err(io_error("read", &path))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io_error("read", &path))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Record = serde_json::from_slice(line).map_err(|error| damaged(&path, error))?;
            self.counts.add(&record.action, &record.faults);
            for change in record.changes {
                self.account.apply_change(change);
            }
        }
        place.offset += whole as u64;
        if whole < text.len() {
            file.set_len(place.offset).map_err(io_error("shorten", &path))?;
        }
        Ok(())
    }

    /// Appends what the last call has changed.
    fn record(&mut self, action: &str, faults: &[String]) -> Result<(), StoreError> {
        let changes = without_counts(self.account.take_changes());
        self.counts.add(action, faults);
        let Some(place) = &mut self.place else { return Ok(()) };
        let path = place.dir.join(LOG);
        let matters = !changes.is_empty();
        let record = Record { action: action.to_owned(), faults: faults.to_vec(), changes };
        let mut line = serde_json::to_vec(&record).map_err(|error| damaged(&path, error))?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).open(&path).map_err(io_error("open", &path))?;
        file.write_all(&line).map_err(io_error("write", &path))?;
        if matters {
            file.sync_data().map_err(io_error("write", &path))?;
        }
        place.offset += line.len() as u64;
        Ok(())
    }

    fn compact_if_large(&mut self) -> Result<(), StoreError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        if place.offset < COMPACT_BYTES {
            return Ok(());
        }
        let path = place.dir.join(SNAPSHOT);
        let snapshot = Snapshot {
            contains: place.log.clone(),
            continued_by: new_log_id(&place.dir)?,
            counts: self.counts.clone(),
            changes: without_counts(self.account.snapshot()),
        };
        let text = serde_json::to_vec(&snapshot).map_err(|error| damaged(&path, error))?;
        if place.offset / 4 < text.len() as u64 {
            return Ok(());
        }
        write_whole(&path, &text)?;
        place.begin_log(snapshot.continued_by)
    }
}

impl Place {
    /// Forgets what is known and gives what `account.json` holds; makes a log if there is none that continues it.
    fn start_over(&mut self) -> Result<(Vec<Change>, Counts), StoreError> {
        let (path, log_path) = (self.dir.join(SNAPSHOT), self.dir.join(LOG));
        let header = read_header(&log_path)?;
        let Some(text) = read_if_there(&path)? else {
            match header {
                Some((log, offset)) => (self.log, self.offset) = (log, offset),
                None => self.begin_log(new_log_id(&self.dir)?)?,
            }
            return Ok((Vec::new(), Counts::default()));
        };
        let snapshot: Snapshot = serde_json::from_slice(&text).map_err(|error| damaged(&path, error))?;
        match header {
            Some((log, offset)) if log == snapshot.continued_by => (self.log, self.offset) = (log, offset),
            Some((log, _)) if log != snapshot.contains => {
                return Err(damaged(&log_path, "it does not continue account.json"));
            }
            _ => self.begin_log(snapshot.continued_by)?,
        }
        Ok((snapshot.changes, snapshot.counts))
    }

    fn begin_log(&mut self, log: String) -> Result<(), StoreError> {
        let path = self.dir.join(LOG);
        let mut line = serde_json::to_vec(&Header { log: log.clone() }).map_err(|error| damaged(&path, error))?;
        line.push(b'\n');
        write_whole(&path, &line)?;
        (self.log, self.offset) = (log, line.len() as u64);
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, action: &str, faults: &[String]) {
        *self.calls.entry(action.to_owned()).or_default() += 1;
        for fault in faults {
            *self.faults.entry(fault.clone()).or_default() += 1;
        }
    }
}

/// Every line of the log is a call that counts; the account's own counting would say it again.
fn without_counts(mut changes: Vec<Change>) -> Vec<Change> {
    changes.retain(|change| !matches!(change, Change::Calls(..)));
    changes
}

fn open_lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io_error("open", &path))
}

/// The id of a log and the length of its first line; nothing if there is no log.
fn read_header(path: &Path) -> Result<Option<(String, u64)>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut line = Vec::new();
    BufReader::with_capacity(128, file.take(128)).read_until(b'\n', &mut line).map_err(io_error("read", path))?;
    let header: Header = serde_json::from_slice(&line).map_err(|error| damaged(path, error))?;
    Ok(Some((header.log, line.len() as u64)))
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

/// Puts a file there whole or not at all, and on the disk.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace_file(&OsDisk, path, None, bytes).map_err(|error| io_error("write", path)(error.source))
}

fn new_log_id(dir: &Path) -> Result<String, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io_error("draw an id for a log in", dir)(io::Error::other(error)))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), why: why.to_string() }
}
