//! What is good now? Keeps credentials that end, and gets new ones before they do, also in the middle of an apply.
//!
//! One renewal at a time: whoever needs credentials meanwhile waits for that one and takes what it brings, its failure
//! included. While the old ones hold, a failed renewal costs nothing but a word in the log.

use super::machine::{self, MachineError};
use super::types::{AssumedRole, Credential, CredentialError, Found, Issued, Login, Origin, Source};
use super::{profile, role};
use crate::clock::{BoxFuture, Clock};
use crate::cloud::error::CloudError;
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::cloud::port::Reply;
use crate::cloud::queue::Queue;
use crate::model::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long before their end credentials are renewed: as long as a signature made with them may be under way.
const RENEW_BEFORE: Duration = Duration::from_secs(SIGNATURE_VALID_SECS);

/// How soon a renewal that failed is tried again while the old credentials hold.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

/// Sends the one request by which a role is assumed, signed with keys that are not its own.
pub trait Sts: Send + Sync {
    /// Performs `action` of STS in the name of `keys`. Neither paced nor repeated.
    fn call<'a>(
        &'a self,
        keys: &'a Credential,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'a, Result<Reply, CloudError>>;
}

/// Gives credentials that are good now.
pub struct Provider {
    found: Found,
    sts: Arc<dyn Sts>,
    clock: Arc<dyn Clock>,
    renewals: Queue,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    issued: Option<Arc<Issued>>,
    /// From when on new ones are wanted.
    renew_at: Option<Timestamp>,
    /// The last failure, and when it was.
    failed: Option<(Timestamp, Arc<CredentialError>)>,
}

impl Provider {
    /// Gives what the chain found. Asks nobody yet.
    pub fn new(found: Found, sts: Arc<dyn Sts>, clock: Arc<dyn Clock>) -> Self {
        Self { found, sts, clock, renewals: Queue::default(), kept: Mutex::default() }
    }

    /// Which link of the chain won.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Credentials that hold long enough for a request.
    ///
    /// # Errors
    /// There are none, or those there were are over and nobody gives new ones.
    pub async fn current(&self) -> Result<Arc<Issued>, Arc<CredentialError>> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let asked = self.clock.now();
        let place = self.renewals.enter();
        place.first().await;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        // Somebody else tried while we waited.
        let shared = self.lock().failed.as_ref().filter(|(at, _)| *at >= asked).map(|(_, error)| Arc::clone(error));
        match shared {
            Some(error) => self.fall_back(error),
            None => match self.issue().await {
                Ok(issued) => Ok(self.keep(issued)),
                Err(error) => self.fall_back(Arc::new(error)),
            },
        }
    }

    /// What is kept, if it need not be renewed.
    fn fresh(&self) -> Option<Arc<Issued>> {
        let kept = self.lock();
        let due = kept.renew_at.is_some_and(|at| self.clock.now() >= at);
        kept.issued.clone().filter(|_| !due)
    }

    fn keep(&self, issued: Issued) -> Arc<Issued> {
        let now = self.clock.now();
        let issued = Arc::new(issued);
        if let Some(expires) = issued.expires {
            tracing::info!(source = %self.found, until = %expires, "credentials");
        }
        let mut kept = self.lock();
        // Of short ones the second half is kept in reserve.
        kept.renew_at = issued.expires.map(|expires| expires.minus(RENEW_BEFORE.min(expires.since(now) / 2)));
        kept.issued = Some(Arc::clone(&issued));
        kept.failed = None;
        issued
    }

    /// The old credentials while they hold, else the failure.
    fn fall_back(&self, error: Arc<CredentialError>) -> Result<Arc<Issued>, Arc<CredentialError>> {
        let now = self.clock.now();
        let mut kept = self.lock();
        if let Some(issued) = kept.issued.clone()
            && issued.expires.is_none_or(|expires| now < expires)
        {
            tracing::warn!(%error, "credentials could not be renewed yet");
            let again = now.plus(RENEW_AGAIN);
            kept.renew_at = Some(issued.expires.map_or(again, |expires| again.min(expires)));
            return Ok(issued);
        }
        kept.failed = Some((now, Arc::clone(&error)));
        Err(error)
    }

    async fn issue(&self) -> Result<Issued, CredentialError> {
        match &self.found.origin {
            Origin::Keys(credential) => Ok(Issued { credential: credential.clone(), expires: None }),
            Origin::Role { keys, role } => self.assume(keys, role).await,
            Origin::Login(login) => self.login(login),
            Origin::Machine(address) => {
                let issued = machine::fetch(address).await.map_err(|error| self.no_machine(address, error))?;
                self.not_over("role of this machine", issued)
            }
        }
    }

    async fn assume(&self, keys: &Credential, assumed: &AssumedRole) -> Result<Issued, CredentialError> {
        let reply = self.sts.call(keys, role::ACTION, role::request(assumed)).await;
        let issued = reply.and_then(role::read);
        let issued =
            issued.map_err(|error| CredentialError::Role { arn: assumed.arn.clone(), error: Box::new(error) })?;
        self.not_over("assumed role", issued)
    }

    /// The file as it is now: the official CLI renews it whenever it is used.
    fn login(&self, first: &Login) -> Result<Issued, CredentialError> {
        let login = match profile::read(&first.name, &first.path, None)? {
            Some(Origin::Login(login)) => login,
            // Somebody has written another kind of profile over it meanwhile.
            _ => first.clone(),
        };
        if self.clock.now() >= login.expires {
            let (name, path) = (login.name, login.path);
            return Err(CredentialError::LoginOver { name, path, since: login.expires });
        }
        Ok(Issued { credential: login.credential, expires: Some(login.expires) })
    }

    fn no_machine(&self, address: &machine::MetadataAddress, error: MachineError) -> CredentialError {
        let before = self.lock().issued.is_some();
        if self.found.source != Source::Machine || before || matches!(error, MachineError::Strange(_)) {
            return CredentialError::Machine { address: address.clone(), error };
        }
        // The end of the chain: all of it is what was looked at.
        let mut looked_at = self.found.looked_at.clone();
        looked_at.push(format!("the role of this machine ({error}: {address})"));
        CredentialError::Nothing { looked_at }
    }

    fn not_over(&self, from: &'static str, issued: Issued) -> Result<Issued, CredentialError> {
        match issued.expires.filter(|expires| *expires <= self.clock.now()) {
            Some(at) => Err(CredentialError::OverAlready { from, at }),
            None => Ok(issued),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change under the lock is complete in itself.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
