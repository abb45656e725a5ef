//! Good weather: applies until all is well, with a person who reads what the engine says and does what it asks for. The
//! person has the console, where everything is listed, and the files as they were before they were lost.

use super::life::Life;
use super::schedule::Story;
use super::writer::{CONSENTING, Ended, Writer, run_apply};
use crate::cloud::limits::CREATE_BATCH_MAX;
use crate::diag::{Diagnostics, Severity};
use crate::event::ItemStatus;
use crate::model::{Address, InstanceId, Ownership};
use crate::ops::{ApplyExit, ApplyOptions, ApplyReport, OpsError};
use crate::plan::limits::Ceilings;
use crate::plan::{Blocked, BlockedKind};
use serde_json::json;
use std::time::Duration;

/// Applies without faults after which everything must have come right.
const GOOD_APPLIES_MAX: usize = 24;

/// Applies that end unclear before somebody decides: what is only slow to appear has appeared by then.
const UNCLEAR_MAX: usize = 2;

/// What a person adds to the command.
#[derive(Clone, Copy, Debug, Default)]
struct Added {
    buy_anyway: bool,
    confirm_gone: bool,
    /// Whether many instances may leave at once.
    max_destroy: bool,
}

/// What a person does next.
enum Next {
    /// Runs apply again.
    Again,
    /// Runs it with `--buy-anyway`.
    BuyAnyway,
    /// Runs it with `--confirm-gone`.
    ConfirmGone,
    /// Leaves it at that: it stopped and asked.
    Leave,
}

impl Story {
    /// Applies until all is well, or until it stops where it may.
    pub(super) fn settle(&mut self, writer: &Writer) -> Result<(), String> {
        let mut last = String::new();
        let mut unclear = 0;
        let mut added = Added::default();
        for number in 0..GOOD_APPLIES_MAX {
            self.world.clock.advance(Duration::from_secs(16 * 60));
            let result = self.good_apply(writer, number, added)?;
            added.buy_anyway = false;
            let next = match result {
                Ok(report) if report.exit == ApplyExit::Done => {
                    if self.fleet.is_whole() {
                        return self.all_is_well(writer, &report);
                    }
                    self.fleet = self.fleet.whole();
                    self.world.log("what was taken out is put back");
                    Next::Again
                }
                Ok(report) => {
                    last = self.undone(&report);
                    match report.items.iter().any(|item| item.status == ItemStatus::Unclear) {
                        true if unclear >= UNCLEAR_MAX => self.decide_unclear(writer),
                        true => {
                            unclear += 1;
                            Next::Again
                        }
                        false => Next::Again,
                    }
                }
                Err(OpsError::Blocked(blocked)) => {
                    last = format!("blocked: {blocked:?}");
                    self.world.log(last.clone());
                    self.decide_blocked(writer, &blocked)
                }
                Err(OpsError::Diagnostics(found)) => self.take_out(found)?,
                Err(OpsError::Refused(found)) if !added.max_destroy && is_mass_removal(&found) => {
                    self.world.log("refused: many instances left the manifest, and that is meant");
                    added.max_destroy = true;
                    Next::Again
                }
                Err(OpsError::State(error)) if self.history.loss.is_some() => {
                    self.world.log(format!("refused: {error}"));
                    match self.restore(writer) {
                        // One of state and journal is gone, and something was bought since: it does nothing, and says so.
                        Next::Leave => {
                            self.passed.asked = true;
                            return Ok(());
                        }
                        next => next,
                    }
                }
                Err(error) => return Err(format!("an apply in good weather fails: {error}")),
            };
            match next {
                Next::Again => {}
                Next::BuyAnyway => added.buy_anyway = true,
                Next::ConfirmGone => added.confirm_gone = true,
                Next::Leave => return self.stopped(writer, &last),
            }
        }
        self.stopped(writer, &last)
    }

    fn good_apply(
        &mut self,
        writer: &Writer,
        number: usize,
        added: Added,
    ) -> Result<Result<ApplyReport, OpsError>, String> {
        let desired = self.fleet.desired(&self.about);
        self.world.set_promised(self.is_promised());
        self.world.set_wanted(desired.instances.keys().cloned().collect());
        let life = Life::new(None);
        let context = writer.context(&self.world, &life, &desired, self.chance.next_u64());
        self.world.log(format!(
            "good apply {number} begins{}; on disk:\n{}",
            format_args!(" with {added:?}"),
            writer.disk.dump()
        ));
        let Added { buy_anyway, confirm_gone, max_destroy } = added;
        let max_destroy = CONSENTING.ceilings.max_destroy.filter(|_| max_destroy);
        let ceilings = Ceilings { max_destroy, max_destroy_by_flag: max_destroy.is_some(), ..CONSENTING.ceilings };
        let destroy = desired.instances.is_empty();
        // The person knows that what is recovered by tags is the stack's own: unconfirmed, it would keep a name that it was not
        // given any more before a process died.
        let adopt = self.about.ownership == Ownership::Tags;
        let options = ApplyOptions { buy_anyway, adopt, confirm_gone, destroy, ceilings, ..CONSENTING };
        let ended = run_apply(&self.world, &context, &life, &desired, options);
        self.no_violation()?;
        match ended {
            None => Err("the apply waits for what never comes".into()),
            Some(Ended::Died) => Err("an apply died that nobody killed".into()),
            Some(Ended::Over(result)) => Ok(result),
        }
    }

    fn undone(&self, report: &ApplyReport) -> String {
        let mut text = format!("{:?}, {} open", report.exit, report.open);
        for item in report.items.iter().filter(|item| !item.status.is_done()) {
            text = format!("{text}; {} {:?} {:?}", item.address, item.status, item.detail);
        }
        self.world.log(text.clone());
        text
    }

    fn decide_blocked(&mut self, writer: &Writer, blocked: &[Blocked]) -> Next {
        for each in blocked {
            self.world.tell(format!("{} {}", each.what, each.help.join(" ")));
        }
        if blocked.iter().any(|blocked| matches!(blocked.kind, BlockedKind::Gone | BlockedKind::FailedAfterRunning)) {
            // In good weather a reading is true, and somebody's hand was at work.
            self.world.log("the console does not have them: they are gone");
            return Next::ConfirmGone;
        }
        let never_listed = |blocked: &Blocked| match &blocked.kind {
            BlockedKind::NeverListed(id) => Some(id.clone()),
            _ => None,
        };
        let Some(ids) = blocked.iter().map(never_listed).collect::<Option<Vec<_>>>() else {
            return self.restore(writer);
        };
        let is_there = |id: &InstanceId| {
            let id = id.as_str();
            self.world
                .ask("DescribeInstances", json!({"InstanceIds": [id]}))
                .is_ok_and(|reply| reply["TotalCount"] != 0)
                || self.world.live().contains_key(id)
        };
        if ids.iter().any(is_there) {
            self.world.log("the console has it, so it is only slow to appear: waiting");
            self.world.clock.advance(Duration::from_secs(30 * 60));
            Next::Again
        } else {
            self.world.log("the console does not have it: it is gone");
            Next::BuyAnyway
        }
    }

    /// Some of a batch are listed and nothing tells whether there are more. A person sees in the console whether there are.
    fn decide_unclear(&mut self, writer: &Writer) -> Next {
        match self.restore(writer) {
            Next::Leave if self.about.lists() => {
                self.world.log("the console has no more than is listed");
                Next::BuyAnyway
            }
            next => next,
        }
    }

    /// Puts the lost files back, if nothing was bought since that they do not know of.
    fn restore(&mut self, writer: &Writer) -> Next {
        let bought = self.world.bought();
        let Some(loss) = self.history.loss.take_if(|loss| loss.bought == bought) else { return Next::Leave };
        self.world.log("the lost files are restored");
        writer.disk.restore(&loss.kept);
        Next::Again
    }

    /// What the manifest wants of an instance that cannot be had is taken out, applied, and put back.
    fn take_out(&mut self, found: Diagnostics) -> Result<Next, String> {
        let desired = self.fleet.desired(&self.about);
        let of_block = |block: &str| -> Vec<Address> {
            desired.instances.keys().filter(|at| at.block == block).cloned().collect()
        };
        let mut addresses = Vec::new();
        for diagnostic in found.sorted().into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
            let those: Vec<Address> = match diagnostic.code {
                "isolated" => diagnostic.subjects.clone(),
                // It was no new name: the old one is to go before the new one comes.
                "renamed" => diagnostic.subjects.iter().flat_map(|new| of_block(&new.block)).collect(),
                _ => Vec::new(),
            };
            if those.is_empty() {
                return Err(format!("a plan in good weather has errors: {}", diagnostic.summary));
            }
            addresses.extend(those);
        }
        self.world.log(format!("a person takes out {addresses:?}"));
        self.fleet = self.fleet.without(&addresses);
        Ok(Next::Again)
    }

    /// Whether a stop is within the words of the promise: somebody else's hand, a part of a batch, lost files; and without
    /// tags whatever leaves instances behind that only their names tell apart, also those of several batches of one name.
    fn may_stop(&self) -> bool {
        let faults = &self.about.faults;
        !self.is_promised()
            || self.history.hand
            || self.history.was_lost
            || faults.partial > 0
            || (self.about.ownership == Ownership::Name
                && (faults.launch_failed > 0
                    || self.history.edited
                    || self.fleet.desired(&self.about).instances.len() > CREATE_BATCH_MAX))
    }

    fn stopped(&mut self, writer: &Writer, last: &str) -> Result<(), String> {
        if !self.may_stop() {
            return Err(format!("stopped within the promise: {last}"));
        }
        self.passed.asked = true;
        self.nothing_forgotten(writer)
    }
}

fn is_mass_removal(found: &Diagnostics) -> bool {
    found.iter().all(|one| one.summary.contains("left the manifest"))
}
