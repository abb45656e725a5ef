//! One schedule: a fleet, a service, a run of bad luck, and what must be true at its end. All of it from one seed.
//!
//! Here is what happens, in bad weather; `settle` is the good weather afterwards, with a person who does what the engine
//! asks for, and `verdict` what must hold at the end.

use super::chance::Chance;
use super::circumstances::Circumstances;
use super::executor::VirtualClock;
use super::fleet::{Edit, Fleet};
use super::life::Life;
use super::network::NetworkFaults;
use super::sabotage::Sabotage;
use super::world::World;
use super::writer::{CONSENTING, Ended, Writer, run_apply, run_plan, with_signal};
use crate::clock::Clock as _;
use crate::model::{Ownership, Timestamp};
use crate::ops::{ApplyOptions, Consent, Context, OpsError, apply};
use crate::plan::limits::Ceilings;
use crate::sandbox::settings::TokenMemory;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Applies that may fail, crash or stop before the last ones.
const BAD_APPLIES_MAX: u64 = 4;

/// A schedule that broke a promise.
#[derive(Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// What happened.
    pub log: Vec<String>,
}

/// What a schedule went through; for the statistics of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    /// Processes that died in the middle.
    pub crashes: u64,
    /// Calls to the account.
    pub calls: u64,
    /// Instances at the end.
    pub instances: u64,
    /// Whether the circumstances were beyond the promise.
    pub beyond: bool,
    /// Whether it ended by stopping and asking.
    pub asked: bool,
    /// Whether something was bought twice, beyond the promise, and told.
    pub slipped: bool,
}

/// Runs the schedule of a seed.
///
/// # Errors
/// When a promise is broken.
pub fn run_schedule(seed: u64, sabotage: Sabotage) -> Result<Passed, Failure> {
    let mut chance = Chance::new(seed);
    let about = Circumstances::draw(&mut chance);
    let clock = VirtualClock::new(Timestamp::from_secs(1_800_000_000));
    let world = World::new(about.settings.clone(), seed, clock, sabotage);
    world.log(about.to_string());
    let fleet = Fleet::draw(&mut chance, about.settings.site);
    let mut story =
        Story { chance, about, world, fleet, history: History::default(), passed: Passed::default(), sabotage };
    let crowd = story.about.settings.token_memory == TokenMemory::Forever && story.chance.percent(12);
    // An engine that panics has broken its promise too, and its seed is to be known.
    let neighbours = !crowd && story.chance.percent(8);
    let told = catch_unwind(AssertUnwindSafe(|| match () {
        () if crowd => story.crowd(),
        () if neighbours => story.neighbours(),
        () => story.tell(),
    }));
    let result = told.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or_default()))
    });
    let mut passed = story.passed;
    passed.beyond = !story.is_promised();
    passed.slipped = story.world.slips() > 0;
    passed.calls = story.world.calls();
    match result {
        Ok(()) => Ok(passed),
        Err(what) => Err(Failure { seed, what, log: story.world.take_log() }),
    }
}

/// A schedule under way.
pub(super) struct Story {
    pub(super) chance: Chance,
    pub(super) about: Circumstances,
    pub(super) world: Arc<World>,
    /// What is wanted now.
    pub(super) fleet: Fleet,
    pub(super) history: History,
    pub(super) passed: Passed,
    pub(super) sabotage: Sabotage,
}

/// What has happened so far that the promise makes a difference for.
#[derive(Default)]
pub(super) struct History {
    /// The manifest was edited.
    pub(super) edited: bool,
    /// Without tags, what an edit left behind may not be recognised without the state.
    pub(super) unrecognisable: bool,
    /// Somebody returned or destroyed an instance in the console.
    pub(super) hand: bool,
    /// Files were lost at some time.
    pub(super) was_lost: bool,
    /// Files are lost, until they are restored.
    pub(super) loss: Option<Loss>,
    /// They were lost before everything that was sent had arrived and was listed.
    lost_too_soon: bool,
}

/// Lost files.
pub(super) struct Loss {
    /// What was on the disk, as it is in version control.
    pub(super) kept: BTreeMap<PathBuf, Vec<u8>>,
    /// What had been bought by then.
    pub(super) bought: usize,
}

impl Story {
    /// Whether the promise covers what happened so far.
    pub(super) fn is_promised(&self) -> bool {
        self.about.service_keeps_the_line() && !self.history.lost_too_soon
    }

    fn tell(&mut self) -> Result<(), String> {
        let writer = Writer::new(self.sabotage, 0);
        self.world.set_faults(self.about.faults);
        self.world.set_promised(self.is_promised());
        let bad = self.chance.below(BAD_APPLIES_MAX + 1);
        for number in 0..bad {
            let destroy = self.chance.percent(5);
            self.bad_apply(&writer, number, destroy)?;
            self.between_runs(&writer)?;
            self.world.set_promised(self.is_promised());
        }
        self.world.set_faults(NetworkFaults::default());
        self.settle(&writer)
    }

    /// Several writers that share nothing apply one commit at once. While the service remembers the token and no member is
    /// gone, failed or missing, they buy one set.
    fn crowd(&mut self) -> Result<(), String> {
        let desired = self.fleet.desired(&self.about);
        self.about.faults =
            NetworkFaults { launch_failed: 0, partial: 0, sold_out: 0, refuse_token: 0, ..self.about.faults };
        self.world.set_faults(self.about.faults);
        self.world.set_promised(self.is_promised());
        self.world.set_wanted(desired.instances.keys().cloned().collect());
        let most = if self.chance.percent(10) { 19 } else { 4 };
        let size = 2 + self.chance.below(most);
        let writers: Vec<Writer> = (0..size).map(|number| Writer::new(self.sabotage, number)).collect();
        self.world.log(format!("{size} writers apply {} instances at once", desired.instances.len()));
        let life = Life::new(None);
        let contexts: Vec<(Context, Duration)> = writers
            .iter()
            .map(|writer| {
                let late = Duration::from_millis(self.chance.below(8) * self.chance.below(4000));
                (writer.context(&self.world, &life, &desired, self.chance.next_u64()), late)
            })
            .collect();
        let desired_here = &desired;
        let all = contexts.iter().map(|(context, late)| async move {
            context.clock.sleep(*late).await;
            apply(context, desired_here, ApplyOptions::default(), &|_| Consent::Given).await
        });
        let Some(ended) = self.world.clock.run(futures_util::future::join_all(all)) else {
            return Err("a writer waits for what never comes".into());
        };
        if let Some(found) = ended.iter().find_map(|ended| match ended {
            Err(OpsError::Unsound(found)) => Some(found),
            _ => None,
        }) {
            return Err(format!("an unsound plan: {found:?}"));
        }
        self.no_violation()?;
        self.world.set_faults(NetworkFaults::default());
        for writer in &writers {
            self.settle(writer)?;
        }
        Ok(())
    }

    /// One apply in bad weather, that may die, be stopped, or find its disk full.
    fn bad_apply(&mut self, writer: &Writer, number: u64, destroy: bool) -> Result<(), String> {
        let mut desired = self.fleet.desired(&self.about);
        if destroy {
            desired.instances.clear();
        }
        self.world.set_wanted(desired.instances.keys().cloned().collect());
        let dies = self.chance.percent(70).then(|| self.chance.below(60));
        let life = Life::new(dies);
        if self.chance.percent(10) {
            life.fill_disk_after(self.chance.below(10));
        }
        let seed = self.chance.next_u64();
        let mut context = writer.context(&self.world, &life, &desired, seed);
        if self.chance.percent(15) {
            with_signal(&mut context, &self.world, Duration::from_millis(self.chance.below(20_000)));
        }
        let what = if destroy { "destroy" } else { "apply" };
        self.world.log(format!("{what} {number} begins, dies at {dies:?}; on disk:\n{}", writer.disk.dump()));
        let max_destroy = CONSENTING.ceilings.max_destroy.filter(|_| self.chance.percent(50));
        let ceilings = Ceilings { max_destroy, max_destroy_by_flag: max_destroy.is_some(), ..CONSENTING.ceilings };
        let options = ApplyOptions { destroy, ceilings, ..CONSENTING };
        match run_apply(&self.world, &context, &life, &desired, options) {
            None => return Err("the apply waits for what never comes".into()),
            Some(Ended::Died) => {
                self.world.log(format!("{what} died"));
                self.passed.crashes += 1;
            }
            Some(Ended::Over(Ok(report))) => {
                if let Some(OpsError::Unsound(found)) = &report.stop {
                    return Err(format!("an unsound plan: {found:?}"));
                }
                self.world.log(format!("{what} ended: {:?}", report.exit));
            }
            Some(Ended::Over(Err(OpsError::Unsound(found)))) => return Err(format!("an unsound plan: {found:?}")),
            Some(Ended::Over(Err(error))) => self.world.log(format!("{what} refused: {error}")),
        }
        // The power goes with the process, now and then.
        if self.chance.percent(70) {
            writer.disk.crash(&mut self.chance);
        }
        let pause = self.chance.pick(&[0, 1, 30, 200, 700, 4000]);
        self.world.clock.advance(Duration::from_secs(pause));
        self.no_violation()
    }

    /// What people and accidents do between two runs.
    fn between_runs(&mut self, writer: &Writer) -> Result<(), String> {
        if self.chance.percent(20) {
            self.edit();
        }
        if self.chance.percent(10) {
            let destroy = self.chance.percent(60);
            if let Some(id) = self.world.remove_by_hand(&mut self.chance, destroy) {
                self.world.log(format!("somebody {} {id}", if destroy { "destroys" } else { "returns" }));
                self.history.hand = true;
            }
        }
        if self.chance.percent(10) && self.history.loss.is_none() && !self.history.unrecognisable {
            self.lose_files(writer);
        }
        if self.chance.percent(10) {
            self.look_at_a_plan(writer)?;
        }
        Ok(())
    }

    /// The manifest is edited.
    pub(super) fn edit(&mut self) {
        let edit = self.chance.pick(&[Edit::More, Edit::More, Edit::Fewer, Edit::Bundle, Edit::Names, Edit::Secret]);
        let by_name = self.about.ownership == Ownership::Name && matches!(edit, Edit::Fewer | Edit::Names);
        if by_name && self.history.loss.is_some() {
            // Without tags and without the state nothing tells that what bears another name was this stack's.
            return;
        }
        let Some(edited) = self.fleet.edited(&mut self.chance, edit, self.about.settings.site) else { return };
        self.fleet = edited;
        self.history.edited = true;
        self.history.unrecognisable |= by_name;
        let wanted = self.fleet.desired(&self.about);
        self.world.log(format!("the manifest is edited ({edit:?}): {:?}", self.fleet));
        self.world.log(format!("it wants {} instances", wanted.instances.len()));
    }

    /// State, journal, or both are gone.
    fn lose_files(&mut self, writer: &Writer) {
        if self.chance.percent(75) {
            self.world.clock.advance(self.about.settled_after() + Duration::from_secs(1));
        }
        let kept = writer.disk.keep();
        if kept.is_empty() {
            return;
        }
        let journal = writer.journal_path();
        let lost: Vec<&PathBuf> = match self.chance.below(5) {
            0 => kept.keys().filter(|path| **path != journal).collect(),
            1 => kept.keys().filter(|path| **path == journal).collect(),
            _ => kept.keys().collect(),
        };
        for path in &lost {
            writer.disk.lose(path);
        }
        self.world.log(format!("lost: {lost:?}"));
        let now = self.world.clock.now();
        let soon = self.world.last_purchase().is_some_and(|last| now.since(last) < self.about.settled_after());
        self.history.lost_too_soon |= soon;
        self.history.was_lost = true;
        self.history.loss = Some(Loss { kept, bought: self.world.bought() });
    }

    /// A plan in between changes nothing, on disk or in the account.
    fn look_at_a_plan(&mut self, writer: &Writer) -> Result<(), String> {
        let desired = self.fleet.desired(&self.about);
        let (before, bought) = (writer.disk.keep(), self.world.bought());
        let life = Life::new(None);
        let context = writer.context(&self.world, &life, &desired, self.chance.next_u64());
        let Some(planned) = run_plan(&self.world, &context, &desired, false) else {
            return Err("the plan waits for what never comes".into());
        };
        self.world.log(match planned {
            Ok(report) => format!("a plan: {:?}", report.planned.plan.summary()),
            Err(OpsError::Unsound(found)) => return Err(format!("an unsound plan: {found:?}")),
            Err(error) => format!("a plan is refused: {error}"),
        });
        // What was on its way before may have arrived meanwhile.
        if writer.disk.keep() != before || (self.world.bought() != bought && !self.about.faults.lose_answers()) {
            return Err("a plan changed something".into());
        }
        Ok(())
    }

    pub(super) fn no_violation(&self) -> Result<(), String> {
        match self.world.violation() {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }
}
