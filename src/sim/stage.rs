//! Where the tests let processes die: a small fleet that stands, and an account in any weather.

use super::chance::Chance;
use super::executor::VirtualClock;
use super::life::{Death, Life};
use super::network::NetworkFaults;
use super::sabotage::Sabotage;
use super::world::World;
use super::writer::{CONSENTING, Writer};
use crate::desired::DesiredState;
use crate::model::Timestamp;
use crate::ops::{ApplyExit, ApplyOptions, Consent, Context, OpsError, apply};
use crate::plan::{Blocked, BlockedKind};
use crate::sandbox::settings::{Afterwards, Settings};
use futures_util::future::{Either, select};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A bundle.
pub const SMALL: &str = "bundle_rs_nmc_lin_med2_01";

/// A larger one.
pub const LARGE: &str = "bundle_rs_nmc_lin_med4_01";

/// Effects of one process before it is certainly done.
pub const EFFECTS_MAX: u64 = 120;

/// A fleet, an account and a disk, to let processes die on.
pub struct Stage {
    /// The account and what is between.
    pub world: Arc<World>,
    /// Who works on it.
    pub writer: Writer,
    /// What is drawn.
    pub chance: Chance,
}

impl Stage {
    /// A fleet that stands.
    pub fn set(seed: u64, desired: &DesiredState) -> Self {
        let clock = VirtualClock::new(Timestamp::from_secs(1_800_000_000));
        // Whether a machine comes up by itself after such an operation is not documented.
        let after_shutdown = if (seed / 4).is_multiple_of(2) { Afterwards::Stopped } else { Afterwards::Running };
        let settings = Settings { boot_ms: 2000, seed, after_shutdown, ..Settings::default() };
        let world = World::new(settings, seed, clock, Sabotage::Sound);
        let writer = Writer::new(Sabotage::Sound, 0);
        let mut stage = Self { world, writer, chance: Chance::new(seed) };
        assert_eq!(stage.apply(desired, None), Some(ApplyExit::Done), "{}", stage.log());
        stage
    }

    pub fn log(&self) -> String {
        self.world.take_log().join("\n")
    }

    /// One apply, that dies at an effect. `None` if it did.
    pub fn apply(&mut self, desired: &DesiredState, dies: Option<u64>) -> Option<ApplyExit> {
        match self.apply_or_refuse(desired, dies)? {
            Ok(exit) => Some(exit),
            // Bad weather may keep it from beginning.
            Err(OpsError::Cloud(_)) => Some(ApplyExit::Failed),
            Err(OpsError::Blocked(blocked)) if blocked.iter().all(is_about_account) => Some(ApplyExit::Failed),
            Err(error) => panic!("refused: {error}: {error:?}\n{}", self.log()),
        }
    }

    /// One apply in which nobody agrees to the loss of data.
    pub fn apply_without_consent(&mut self, desired: &DesiredState) -> Option<Result<ApplyExit, OpsError>> {
        let options = ApplyOptions { assume_yes: true, allow_data_loss: false, ..CONSENTING };
        let work = async |context: &Context| apply(context, desired, options, &|_| Consent::Given).await;
        let ended = self.perform(desired, None, work).map(|result| result.map(|report| report.exit));
        self.world.log(format!("without consent, ended: {ended:?}"));
        ended
    }

    /// One apply that may be refused.
    pub fn try_apply(&mut self, desired: &DesiredState) -> Option<Result<ApplyExit, OpsError>> {
        self.apply_or_refuse(desired, None)
    }

    fn apply_or_refuse(&mut self, desired: &DesiredState, dies: Option<u64>) -> Option<Result<ApplyExit, OpsError>> {
        let options = ApplyOptions { assume_yes: true, ..CONSENTING };
        let work = async |context: &Context| apply(context, desired, options, &|_| Consent::Given).await;
        let ended = self.perform(desired, dies, work).map(|result| result.map(|report| report.exit));
        self.world.log(format!("ended: {ended:?}"));
        ended
    }

    /// Another command's work, which may die at an effect. `None` if it did.
    pub fn perform<T>(
        &mut self,
        desired: &DesiredState,
        dies: Option<u64>,
        work: impl AsyncFnOnce(&Context) -> Result<T, OpsError>,
    ) -> Option<Result<T, OpsError>> {
        let life = Life::new(dies);
        let seed = self.chance.next_u64();
        let context = self.writer.context(&self.world, &life, desired, seed);
        self.world.log(format!("a command, dies at {dies:?}; on disk:\n{}", self.writer.disk.dump()));
        let ended = self.world.clock.run(async {
            match select(Death(Arc::clone(&life)), Box::pin(work(&context))).await {
                Either::Left(_) => None,
                Either::Right((result, _)) => Some(result),
            }
        });
        let Some(ended) = ended else { panic!("the command hangs\n{}", self.log()) };
        if life.is_dead() {
            self.writer.disk.crash(&mut self.chance);
            return None;
        }
        ended
    }

    /// Applies in good weather until everything is done.
    pub fn settle(&mut self, desired: &DesiredState) {
        self.world.set_faults(NetworkFaults::default());
        for _ in 0..6 {
            self.world.clock.advance(Duration::from_secs(16 * 60));
            if self.apply(desired, None) == Some(ApplyExit::Done) {
                return;
            }
        }
        panic!("never done\n{}", self.log());
    }

    pub fn field(&self, id: &str, field: &str) -> String {
        let all = self.world.instances();
        let found = all.iter().find(|one| one["InstanceId"] == id);
        found.and_then(|one| one[field].as_str()).unwrap_or_default().to_owned()
    }

    pub fn live(&self) -> BTreeSet<String> {
        self.world.live().into_keys().collect()
    }
}

/// Whether a run was refused because nobody answered whose the credentials are.
pub fn is_about_account(blocked: &Blocked) -> bool {
    blocked.kind == BlockedKind::AccountUnknown
}

/// Weather by number: good, lost answers, late requests, both and worse.
pub fn weather(number: u64) -> NetworkFaults {
    let bad = |percent| if number == 3 { percent } else { 0 };
    NetworkFaults {
        lost_after: if number == 1 { 30 } else { bad(15) },
        late: if number == 2 { 40 } else { bad(15) },
        lost_before: bad(10),
        internal_after: bad(10),
        not_sent: bad(10),
        ..NetworkFaults::default()
    }
}
