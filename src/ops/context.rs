//! The ports of a run, bundled.

use super::error::OpsError;
use crate::clock::{BoxFuture, Clock};
use crate::cloud::port::{CloudRead, CloudWrite};
use crate::desired::DesiredState;
use crate::event::EventSink;
use crate::model::Lineage;
use crate::plan::Select;
use crate::state::lock::{Holder, Lock, LockError, Mode, try_lock};
use crate::state::{Binding, Store};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait between two tries for the lock.
const LOCK_AGAIN: Duration = Duration::from_millis(200);

/// Does work that takes a while and asks nobody, like reading a large file, beside what else the run does.
pub type Beside = Arc<dyn Fn(Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> + Send + Sync>;

/// Does it at once, where there is nothing beside.
pub fn at_once() -> Beside {
    Arc::new(|work| {
        work();
        Box::pin(std::future::ready(()))
    })
}

/// Everything a run touches.
#[derive(Clone)]
pub struct Context {
    /// Reading the cloud.
    pub read: Arc<dyn CloudRead>,
    /// Writing to it.
    pub write: Arc<dyn CloudWrite>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// The state's place.
    pub store: Store,
    /// Endpoint URL, or `sandbox`.
    pub endpoint: String,
    /// What chose the endpoint: a flag, a variable, or `site` in the manifest.
    pub endpoint_origin: &'static str,
    /// The account of these credentials by the user's own word (`--assume-account`), for a service that does not report it.
    pub assumed_account: Option<String>,
    /// Who we are, for the lock.
    pub holder: Holder,
    /// Whether there is a lock at all; a simulation of writers that share nothing has none.
    pub locking: bool,
    /// How long to wait for the lock.
    pub lock_timeout: Duration,
    /// Seed of the jitter.
    pub seed: u64,
    /// Lineage of a state that is begun in this run.
    pub lineage: Lineage,
    /// What the user limits the run to.
    pub select: Select,
    /// Another thread, if there is one.
    pub beside: Beside,
    /// Gives a signal's name, once for each signal.
    pub signals: Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
}

impl Context {
    /// What a state has to belong to.
    pub fn binding(&self, desired: &DesiredState, account: Option<String>) -> Binding {
        Binding {
            stack: desired.stack.clone(),
            site: desired.site,
            region: desired.region.clone(),
            endpoint: self.endpoint.clone(),
            account,
        }
    }

    /// Takes the lock, waiting for it as long as the user allows. Whoever takes it for themselves goes on with no saved plan: what
    /// they do is not that plan's work.
    pub(super) async fn lock(&self, mode: Mode) -> Result<Option<Lock>, OpsError> {
        let lock = self.wait_for_lock(mode).await?;
        if mode == Mode::Exclusive {
            self.store.end()?;
        }
        Ok(lock)
    }

    /// The exclusive lock for a saved plan, which may have been begun.
    pub(super) async fn lock_for_saved_plan(&self) -> Result<Option<Lock>, OpsError> {
        Ok(self.wait_for_lock(Mode::Exclusive).await?)
    }

    async fn wait_for_lock(&self, mode: Mode) -> Result<Option<Lock>, LockError> {
        if !self.locking {
            return Ok(None);
        }
        let until = self.clock.now().plus(self.lock_timeout);
        loop {
            match try_lock(self.store.path(), mode, &self.holder) {
                Err(LockError::Held(_)) if self.clock.now() < until => self.clock.sleep(LOCK_AGAIN).await,
                other => return other,
            }
        }
    }
}
