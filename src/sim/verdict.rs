//! What must hold at the end of a schedule.

use super::life::Life;
use super::schedule::Story;
use super::writer::{Writer, run_plan};
use crate::model::Address;
use crate::ops::{ApplyReport, PlanReport, load_prior};
use std::collections::BTreeSet;
use std::time::Duration;

impl Story {
    /// After an apply that says that all is done.
    pub(super) fn all_is_well(&mut self, writer: &Writer, report: &ApplyReport) -> Result<(), String> {
        let desired = self.fleet.desired(&self.about);
        let addresses: BTreeSet<&Address> = report.state.instances.keys().collect();
        let wanted: BTreeSet<&Address> = desired.instances.keys().collect();
        if addresses != wanted {
            return Err(format!("done, and the state has {addresses:?} instead of {wanted:?}"));
        }
        let known: BTreeSet<&str> =
            report.state.instances.values().map(|recorded| recorded.instance_id.as_str()).collect();
        if known.len() != wanted.len() {
            return Err("done, and two addresses share an instance".into());
        }
        if report.state.deposed.iter().any(|deposed| !deposed.is_kept()) || report.open > 0 {
            return Err(format!("done, and something is left over: {:?}", report.state.deposed));
        }
        let planned = self.plan_once_more(writer)?;
        if !planned.planned.plan.is_empty() {
            return Err(format!("done, and a plan afterwards has changes: {:?}", planned.planned.plan.summary()));
        }
        if planned.planned.diagnostics.has_errors() || !planned.planned.blocked.is_empty() {
            return Err(format!("done, and a plan afterwards is refused: {:?}", planned.planned.blocked));
        }
        let live = self.world.live();
        self.passed.instances = live.len() as u64;
        let missing: Vec<&&str> = known.iter().filter(|id| !live.contains_key(**id)).collect();
        if !missing.is_empty() {
            return Err(format!("done, and {missing:?} do not live"));
        }
        for (address, recorded) in &report.state.instances {
            let name = &live[recorded.instance_id.as_str()];
            if *name != desired.instances[address].spec.instance_name {
                return Err(format!("done, and {address} is called {name}"));
            }
        }
        let forgotten: Vec<&String> = live.keys().filter(|id| !known.contains(id.as_str())).collect();
        if !forgotten.is_empty() && self.is_promised() && !self.history.was_lost {
            return Err(format!("bought twice or forgotten: {forgotten:?}"));
        }
        self.all_are_told(&forgotten)
    }

    /// After a stop: what lives is in the state or under way, or was told.
    pub(super) fn nothing_forgotten(&mut self, writer: &Writer) -> Result<(), String> {
        let planned = self.plan_once_more(writer)?;
        for blocked in &planned.planned.blocked {
            self.world.tell(&blocked.what);
        }
        let desired = self.fleet.desired(&self.about);
        let context = writer.context(&self.world, &Life::new(None), &desired, 0);
        let prior =
            load_prior(&context, &desired).map_err(|error| format!("stopped, and the state is refused: {error}"))?;
        let state = &prior.state;
        let answered = prior.open.values().filter_map(|open| open.answer.as_ref()).flat_map(|answer| &answer.ids);
        // What the plan found again it would take in, were it not stopped by something else.
        let planned = planned.planned.plan.changes.iter().filter_map(|change| change.instance_id.as_ref());
        let known: BTreeSet<&str> = state
            .instances
            .values()
            .map(|recorded| &recorded.instance_id)
            .chain(state.deposed.iter().map(|deposed| &deposed.instance_id))
            .chain(answered)
            .chain(planned)
            .map(crate::model::InstanceId::as_str)
            .collect();
        let live = self.world.live();
        let forgotten: Vec<&String> = live.keys().filter(|id| !known.contains(id.as_str())).collect();
        self.all_are_told(&forgotten)
    }

    fn all_are_told(&self, forgotten: &[&String]) -> Result<(), String> {
        if self.history.unrecognisable {
            // Without tags the names are all there is to go by, and the manifest has others now. README says so.
            return Ok(());
        }
        let silent: Vec<&&String> = forgotten.iter().filter(|id| !self.world.was_told(id)).collect();
        match silent.is_empty() {
            true => Ok(()),
            false => Err(format!("silently wrong: {silent:?} live, no state knows them, and nobody was told")),
        }
    }

    /// Plans when everything is listed, whatever the service's delay, and notes what the plan says.
    fn plan_once_more(&mut self, writer: &Writer) -> Result<PlanReport, String> {
        self.world
            .clock
            .advance(Duration::from_millis(self.about.settings.visibility_delay_ms) + Duration::from_secs(600));
        let desired = self.fleet.desired(&self.about);
        let context = writer.context(&self.world, &Life::new(None), &desired, self.chance.next_u64());
        match run_plan(&self.world, &context, &desired, desired.instances.is_empty()) {
            None => Err("the plan waits for what never comes".into()),
            Some(Err(error)) => Err(format!("a plan in good weather fails: {error}")),
            Some(Ok(report)) => {
                for diagnostic in report.planned.diagnostics.clone().sorted() {
                    let detail = diagnostic.detail.as_deref().unwrap_or_default();
                    self.world.tell(format!("{} {detail}", diagnostic.summary));
                }
                Ok(report)
            }
        }
    }
}
