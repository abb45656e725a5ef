//! Which saved plan is being carried out: a small file beside the state, `<state>.begun`.
//!
//! It is there from the first change that a saved plan makes. Another command that changes something removes it when it takes
//! the lock. So a saved plan that was cut short goes on where it stopped, and nothing else counts as its work. Once the plan is
//! done the file records the state that it left, and stays: as long as that state is on disk, the plan is recognised as done.

use super::store::{StateError, Store};
use crate::disk::{replace_file, suffixed};
use crate::model::Lineage;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// A plan that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Its checksum.
    pub plan: String,
    /// The state on which it was begun; none where there was no state.
    pub lineage: Option<Lineage>,
    /// Its serial.
    pub serial: u64,
    /// Once all of the plan is done: the SHA-256 of the state that it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
}

impl Store {
    fn begun_path(&self) -> PathBuf {
        suffixed(self.path(), ".begun")
    }

    /// The plan that was begun and is not done. One that cannot be read is none: then the plan has to fit the state as it is.
    pub fn begun(&self) -> Option<Begun> {
        let old = || self.disk().read(&self.old_name("begun")?).ok();
        let bytes = self.disk().read(&self.begun_path()).ok().or_else(old)?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Notes that a plan is begun. Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&self, begun: &Begun) -> Result<(), StateError> {
        let text = serde_json::to_vec(begun).unwrap_or_default();
        Ok(replace_file(self.disk().as_ref(), &self.begun_path(), Some(self.path()), &text)?)
    }

    /// No plan is under way from here on. A plan that is done stays recorded: the state tells whether anything came after it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end(&self) -> Result<(), StateError> {
        if self.begun().is_some_and(|begun| begun.done.is_some()) {
            return Ok(());
        }
        for path in [Some(self.begun_path()), self.old_name("begun")].into_iter().flatten() {
            if self.disk().read(&path).is_err() {
                continue;
            }
            match self.disk().remove(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(StateError::Io { operation: "remove", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
