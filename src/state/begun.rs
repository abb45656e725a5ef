//! Which saved plan is being carried out: a small file beside the state, `<stack>.begun`.
//!
//! It is there from the first change that a saved plan makes until the plan is done, or until another command that changes
//! something takes the lock. So a saved plan that was cut short goes on where it stopped, and nothing else counts as its work.

use super::store::{StateError, Store, replace, suffixed};
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
}

impl Store {
    fn begun_path(&self) -> PathBuf {
        suffixed(&self.path().with_extension(""), ".begun")
    }

    /// The plan that was begun and is not done. One that cannot be read is none: then the plan has to fit the state as it is.
    pub fn begun(&self) -> Option<Begun> {
        let bytes = self.disk().read(&self.begun_path()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Notes that a plan is begun. Durable when it returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&self, begun: &Begun) -> Result<(), StateError> {
        let text = serde_json::to_vec(begun).unwrap_or_default();
        replace(self.disk().as_ref(), &self.begun_path(), &text)
    }

    /// No plan is under way from here on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end(&self) -> Result<(), StateError> {
        let path = self.begun_path();
        if self.disk().read(&path).is_err() {
            return Ok(());
        }
        match self.disk().remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Io { operation: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }
}
