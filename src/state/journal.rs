//! The journal: append-only JSON lines, each with a checksum over itself and the line before.
//!
//! Contract of [`Journal::append`]: when it returns `Ok`, the records survive a crash. A torn last line is cut off before
//! the next is written. A damaged line anywhere else stops with an error, and nothing is overwritten.

use super::departure::DepartureReason;
use super::invariants::check_record;
use super::order::Order;
use super::prior::PriorState;
use super::store::{StateError, Store};
use super::upgrade::record_from_v1;
use crate::disk::{Disk, create_private_folder, parent, replace_file};
use crate::model::digest::sha256_hex;
use crate::model::json_keys::find_duplicate_key;
use crate::model::{Address, ClientToken, InstanceId, Lineage, Predecessor, Site, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format this version writes.
pub(super) const FORMAT: u64 = 2;

/// First record of a journal: which state it continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Format of the records.
    pub format: u64,
    /// Lineage of the state.
    pub lineage: Lineage,
    /// Serial of the state on which the records build.
    pub serial: u64,
    /// The stack.
    pub stack: String,
    /// Which Tencent Cloud. Journals of earlier versions lack this and the next three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// The stack's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Endpoint URL, or `sandbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Account id, where the service reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// One member of a purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// For which address.
    pub address: Address,
    /// What stood there before.
    pub predecessor: Predecessor,
    /// The name it is to have in the end.
    pub name: String,
    /// Kept in the state with the instance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
}

/// A purchase, written down before its first request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Its token.
    pub token: ClientToken,
    /// The request's body without token and ownership tags, secrets replaced by a marker.
    pub body: Value,
    /// For whom, in order.
    pub members: Vec<Member>,
    /// The members' common spec in the manifest's words; its `instance_name` is each member's own.
    pub spec: Value,
    /// Fingerprint of the secret in the body, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Without ownership tags: what was created before this time was there when the purchase was planned, and is not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// How an instance came to be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The answer of its purchase named it.
    Answer,
    /// A look at what the stack owns found it.
    Look,
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// First record.
    Header(Header),
    /// A purchase is going to be made.
    Intent(Intent),
    /// Its request is going out.
    Attempt {
        /// Which purchase.
        token: ClientToken,
        /// When, by our clock.
        at: Timestamp,
    },
    /// The last attempt certainly had no effect.
    NoEffect {
        /// Which purchase.
        token: ClientToken,
        /// What proves it: the service's code, or `not sent`.
        why: String,
    },
    /// The service answered with ids; who is who is not yet decided.
    Answer {
        /// Which purchase.
        token: ClientToken,
        /// All ids of the answer.
        ids: Vec<InstanceId>,
        /// When, by our clock.
        at: Timestamp,
        /// The service's request id.
        request_id: String,
    },
    /// Instances stand at addresses. Settles the purchase, whose members without an instance have its token as predecessor.
    Assigned {
        /// Which purchase.
        token: ClientToken,
        /// Who stands where.
        matches: Vec<(Address, InstanceId)>,
        /// How they were found.
        via: Via,
        /// When, by our clock.
        at: Timestamp,
    },
    /// An instance found in the cloud is taken to stand at an address.
    Adopted {
        /// Where.
        address: Address,
        /// Which.
        instance_id: InstanceId,
        /// What stood there before it was bought.
        predecessor: Predecessor,
        /// The spec that it is held to, in the manifest's words.
        spec: Value,
        /// Kept in the state with the instance.
        protect: bool,
        /// Whether nothing but its tags or its name says that it is this stack's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unconfirmed: bool,
    },
    /// The user has confirmed that a recovered instance is this stack's.
    Confirmed {
        /// Where it stands.
        address: Address,
        /// Which.
        instance_id: InstanceId,
    },
    /// The purchase is settled without an instance. The token stays what it is.
    Closed {
        /// Which purchase.
        token: ClientToken,
        /// Why: the service's code, `never sent`, `not found`.
        why: String,
    },
    /// The service refuses the token for good, though a dry run of the same request passes. Nothing was bought by it; it is
    /// the members' predecessor now, so that the next purchase has another.
    Refused {
        /// Which purchase.
        token: ClientToken,
        /// The service's code.
        why: String,
    },
    /// An instance stands at its address no more; it is the address's predecessor now.
    Gone {
        /// Where it stood.
        address: Address,
        /// Which.
        instance_id: InstanceId,
        /// Why.
        reason: DepartureReason,
        /// Whether it still exists and is to be returned.
        deposed: bool,
    },
    /// A deposed instance is returned or gone.
    Returned {
        /// Which.
        instance_id: InstanceId,
    },
    /// The service does not take a deposed instance back.
    Kept {
        /// Which.
        instance_id: InstanceId,
        /// The service's code.
        why: String,
    },
    /// Instances are going to be isolated.
    Isolate {
        /// Which.
        ids: Vec<InstanceId>,
        /// Addresses among theirs that get another instance once theirs is destroyed (`replace: destroy_first`). The purchase
        /// is the other half of the replacement, and follows whatever happens to this process.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaces: Vec<Address>,
    },
    /// An order is going out.
    Order(Order),
    /// The service has taken an order.
    OrderAccepted {
        /// Which.
        order: String,
        /// The service's request id, by which its end is recognised.
        request_id: String,
    },
    /// Whether an order happened is known for one of its instances.
    OrderSettled {
        /// Which order.
        order: String,
        /// Which instance.
        instance_id: InstanceId,
        /// Whether it happened.
        happened: bool,
        /// What tells: the service's code, or what was seen.
        why: String,
    },
    /// Keys of an instance's spec are as applied now.
    Applied {
        /// Where it stands.
        address: Address,
        /// Which.
        instance_id: InstanceId,
        /// The keys, in the manifest's words; null takes one away.
        spec: Value,
    },
}

/// One line as it is read. The checksum covers the bytes of the record as they were written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    seq: u64,
    sum: String,
    #[serde(borrow)]
    record: &'a RawValue,
}

#[derive(Serialize)]
struct WrittenLine<'a> {
    seq: u64,
    sum: &'a str,
    record: &'a RawValue,
}

/// A journal open for appending.
pub struct Journal {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// The state, whose access a new journal gets.
    state: PathBuf,
    /// Where an older version left the journal. It gets its present name before anything is written.
    old_name: Option<PathBuf>,
    seq: u64,
    sum: String,
    /// Length of the sound part; more than this on disk is a torn tail.
    len: u64,
    torn: bool,
    exists: bool,
    /// Whether this process has made the file's name durable. One that died before us may have created the file and
    /// not come to that.
    name_synced: bool,
    /// Written before the first record of an empty journal, with the same sync.
    header: Option<Record>,
    /// The records of a journal of an older format. It is rewritten in this one before anything is appended.
    outdated: Option<Vec<Record>>,
}

fn checksum(before: &str, seq: u64, record: &str) -> String {
    sha256_hex(format!("{before}\n{seq}\n{record}").as_bytes())[..16].to_owned()
}

/// Why a line cannot be read.
enum BadLine {
    /// No JSON, or a wrong checksum: what a write that was cut short leaves at the end of the file.
    Torn(String),
    /// A complete line that does not make sense. It is never cut off: it may record a purchase.
    Unreadable(String),
    /// A later version wrote the journal.
    Newer(u64),
}

impl Journal {
    fn empty(disk: Arc<dyn Disk>, path: PathBuf, state: PathBuf) -> Self {
        Self {
            disk,
            path,
            state,
            old_name: None,
            seq: 0,
            sum: String::new(),
            len: 0,
            torn: false,
            exists: false,
            name_synced: false,
            header: None,
            outdated: None,
        }
    }

    /// Opens the journal beside a state and reads what it holds. Writes nothing.
    ///
    /// # Errors
    /// When it cannot be read, is damaged before its last line, or has a newer format.
    pub fn open(store: &Store) -> Result<(Self, Vec<Record>), StateError> {
        let mut journal = Self::empty(Arc::clone(store.disk()), store.journal_path(), store.path().to_owned());
        let old_name = store.old_name("journal");
        let (current, old) = (journal.read(&journal.path)?, old_name.as_deref().map(|path| journal.read(path)));
        let bytes = match (current, old.transpose()?.flatten()) {
            (Some(_), Some(_)) => {
                let other = old_name.unwrap_or_default();
                let problem = format!(
                    "is there twice: an older version of lhprov has written {} beside it since",
                    other.display()
                );
                return Err(StateError::Journal { path: journal.path, problem });
            }
            (Some(bytes), None) => bytes,
            (None, Some(bytes)) => {
                journal.old_name = old_name;
                bytes
            }
            (None, None) => return Ok((journal, Vec::new())),
        };
        journal.exists = true;
        let mut records = Vec::new();
        let mut format = FORMAT;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            // A line without its newline was never acknowledged, whole or not.
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                journal.torn = true;
                break;
            };
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            let read = match records.is_empty() {
                true => read_format(line).and_then(|found| {
                    format = found;
                    journal.read_line(line, found)
                }),
                false => journal.read_line(line, format),
            };
            match read {
                Ok((record, seq, sum)) => {
                    records.push(record);
                    (journal.seq, journal.sum) = (seq, sum);
                    journal.len += line.len() as u64 + 1;
                }
                // Only the end of the file can be torn: everything before it was synced.
                Err(BadLine::Torn(_)) if after.is_empty() => {
                    journal.torn = true;
                    break;
                }
                Err(BadLine::Newer(format)) => return Err(StateError::NewerJournal { path: journal.path, format }),
                Err(BadLine::Torn(problem) | BadLine::Unreadable(problem)) => {
                    let problem = format!("is damaged at line {}: {problem}", records.len() + 1);
                    return Err(StateError::Journal { path: journal.path, problem });
                }
            }
            rest = after;
        }
        if format < FORMAT && !records.is_empty() {
            journal.outdated = Some(records.clone());
        }
        Ok((journal, records))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StateError> {
        match self.disk.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { operation: "read", path: path.to_owned(), source }),
        }
    }

    /// Gives a journal of an older version its present name. A crash leaves it under one of the two.
    fn take_over_old_name(&mut self) -> Result<(), StateError> {
        let Some(old) = &self.old_name else { return Ok(()) };
        let io = |source| StateError::Io { operation: "rename", path: old.clone(), source };
        self.disk.rename(old, &self.path).map_err(io)?;
        self.disk.sync_dir(parent(&self.path)).map_err(io)?;
        self.old_name = None;
        Ok(())
    }

    /// A new journal is for whom the state is.
    fn follow_access_of_state(&self) -> Result<(), StateError> {
        if self.exists {
            return Ok(());
        }
        match self.disk.copy_access(&self.state, &self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Io { operation: "keep the access of", path: self.path.clone(), source })
            }
            _ => Ok(()),
        }
    }

    fn read_line(&self, line: &[u8], format: u64) -> Result<(Record, u64, String), BadLine> {
        let line = parse_line(line)?;
        if line.seq != self.seq + 1 {
            return Err(BadLine::Unreadable(format!("line {} follows line {}", line.seq, self.seq)));
        }
        let raw = line.record.get();
        let unreadable = |error: serde_json::Error| BadLine::Unreadable(format!("its record cannot be read: {error}"));
        let wrong_sum = || BadLine::Torn("the checksum does not match".to_owned());
        let sum = match format {
            // Format 1 summed the record as a sorted value, not its bytes.
            1 => {
                let value: Value = serde_json::from_str(raw).map_err(unreadable)?;
                checksum(&self.sum, line.seq, &value.to_string())
            }
            _ => checksum(&self.sum, line.seq, raw),
        };
        if sum != line.sum {
            return Err(wrong_sum());
        }
        let record = match format {
            1 => record_from_v1(serde_json::from_str(raw).map_err(unreadable)?).map_err(unreadable)?,
            _ => serde_json::from_str(raw).map_err(unreadable)?,
        };
        check_record(&record).map_err(|found| BadLine::Unreadable(format!("{}: {}", found.place, found.message)))?;
        Ok((record, line.seq, sum))
    }

    /// Says what an empty journal is to begin with. One that has its header keeps it.
    pub fn begin_with(&mut self, header: Record) {
        self.header = (self.seq == 0).then_some(header);
    }

    /// The file.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Writes records and makes them durable, with one sync for all of them.
    ///
    /// # Errors
    /// When the disk refuses. The records then count as not written; a later append first cuts what is left of them.
    pub fn append(&mut self, records: &[Record]) -> Result<(), StateError> {
        if records.is_empty() {
            return Ok(());
        }
        let io = |operation, path: &std::path::Path| {
            let path = path.to_owned();
            move |source| StateError::Io { operation, path, source }
        };
        if !self.exists {
            create_private_folder(self.disk.as_ref(), &self.path)?;
        }
        self.take_over_old_name()?;
        self.rewrite_outdated()?;
        if self.torn {
            self.disk.truncate(&self.path, self.len).map_err(io("cut", &self.path))?;
            self.torn = false;
        }
        let (seq, sum) = (self.seq, self.sum.clone());
        let header = self.header.clone().filter(|_| self.seq == 0);
        let text = match header {
            Some(header) => self.encode(std::slice::from_ref(&header)) + &self.encode(records),
            None => self.encode(records),
        };
        let written = self
            .disk
            .append(&self.path, text.as_bytes())
            .map_err(io("write", &self.path))
            .and_then(|()| self.follow_access_of_state())
            .and_then(|()| self.disk.sync(&self.path).map_err(io("sync", &self.path)))
            .and_then(|()| match self.name_synced {
                true => Ok(()),
                false => self.disk.sync_dir(parent(&self.path)).map_err(io("sync folder of", &self.path)),
            });
        match written {
            Ok(()) => {
                self.exists = true;
                self.name_synced = true;
                self.len += text.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Part of it may be on disk. It was not acknowledged, so nothing was done that depends on it.
                (self.seq, self.sum) = (seq, sum);
                self.torn = true;
                Err(error)
            }
        }
    }

    /// Rewrites a journal of an older format in this one, whole, so that no file has records of two formats.
    fn rewrite_outdated(&mut self) -> Result<(), StateError> {
        let Some(mut records) = self.outdated.clone() else { return Ok(()) };
        if let Some(Record::Header(header)) = records.first_mut() {
            header.format = FORMAT;
        }
        let mut fresh = Self::empty(Arc::clone(&self.disk), self.path.clone(), self.state.clone());
        let text = fresh.encode(&records);
        replace_file(self.disk.as_ref(), &self.path, Some(&self.state), text.as_bytes())?;
        *self = Self { len: text.len() as u64, exists: true, name_synced: true, ..fresh };
        Ok(())
    }

    fn encode(&mut self, records: &[Record]) -> String {
        let mut text = String::new();
        for record in records {
            let record = serde_json::value::to_raw_value(record).expect("records have only string keys");
            self.seq += 1;
            self.sum = checksum(&self.sum, self.seq, record.get());
            let line = WrittenLine { seq: self.seq, sum: &self.sum, record: &record };
            text.push_str(&serde_json::to_string(&line).expect("records have only string keys"));
            text.push('\n');
        }
        text
    }

    /// Replaces the whole journal by `records`, or removes it where there are none. For after a save of the state, which
    /// holds everything that is settled.
    ///
    /// # Errors
    /// When the disk refuses; the old journal is then still there, which is harmless beside the newer state.
    pub fn rewrite(&mut self, records: &[Record]) -> Result<(), StateError> {
        self.take_over_old_name()?;
        let fresh = Self::empty(Arc::clone(&self.disk), self.path.clone(), self.state.clone());
        let before = std::mem::replace(self, fresh);
        if records.is_empty() {
            if before.exists {
                let io = |source| StateError::Io { operation: "remove", path: before.path.clone(), source };
                self.disk.remove(&before.path).map_err(io)?;
            }
            return Ok(());
        }
        let text = self.encode(records);
        replace_file(self.disk.as_ref(), &self.path, Some(&self.state), text.as_bytes())?;
        self.len = text.len() as u64;
        self.exists = true;
        self.name_synced = true;
        Ok(())
    }
}

fn parse_line(line: &[u8]) -> Result<Line<'_>, BadLine> {
    if let Some(twice) = find_duplicate_key(line) {
        return Err(BadLine::Unreadable(format!("{twice}, the second time in column {}", twice.column)));
    }
    serde_json::from_slice(line).map_err(|error| match error.is_syntax() || error.is_eof() {
        true => BadLine::Torn(format!("it is not JSON: {error}")),
        false => BadLine::Unreadable(format!("it is not a line of a journal: {error}")),
    })
}

/// The format that a journal's first line names, before anything of it is decoded that a later version may write otherwise.
fn read_format(line: &[u8]) -> Result<u64, BadLine> {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        format: u64,
    }
    #[derive(Deserialize)]
    struct FirstLine {
        record: Probe,
    }
    let no_header = || BadLine::Unreadable("a journal begins with its header".to_owned());
    let probe = match serde_json::from_slice::<FirstLine>(line) {
        Ok(first) => first.record,
        Err(_) => return parse_line(line).and_then(|_| Err(no_header())),
    };
    match probe.format {
        _ if probe.kind != "header" => Err(no_header()),
        newer if newer > FORMAT => Err(BadLine::Newer(newer)),
        0 => Err(no_header()),
        format => Ok(format),
    }
}

/// The header of a journal that continues `state`. It records everything that the state is bound to, because a journal may be
/// all that a first apply leaves behind.
pub fn header_of(state: &PriorState) -> Record {
    let PriorState { lineage, serial, binding, .. } = state;
    Record::Header(Header {
        format: FORMAT,
        lineage: lineage.clone(),
        serial: *serial,
        stack: binding.stack.to_string(),
        site: Some(binding.site),
        region: Some(binding.region.clone()),
        endpoint: Some(binding.endpoint.clone()),
        account: binding.account.clone(),
    })
}

/// The header of a journal that builds on `serial` of `lineage`, as earlier versions wrote it.
#[cfg(test)]
pub fn header(lineage: &Lineage, serial: u64, stack: &str) -> Record {
    Record::Header(Header {
        format: FORMAT,
        lineage: lineage.clone(),
        serial,
        stack: stack.to_owned(),
        site: None,
        region: None,
        endpoint: None,
        account: None,
    })
}
