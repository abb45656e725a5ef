//! Whether bundle, image and zones of each purchase exist, go together and can be had; and what a dry run of it says.
//!
//! A dry run that passes settles it: the service knows more than its lists. One that is refused is told in the words of the
//! lists where they explain it, since these name the attribute and the way out.

use super::answers::{Answers, BlueprintFacts, BundleFacts, Known};
use super::questions::groups;
use super::refusal::explain;
use super::{Checks, Status, place};
use crate::desired::{DesiredInstance, DesiredState};
use crate::diag::{Diagnostic, did_you_mean};
use crate::model::address::compact;
use crate::plan::batch::Batch;
use crate::plan::change::Plan;
use std::collections::BTreeMap;

type Bundles = BTreeMap<String, BundleFacts>;

pub(super) fn judge(plan: &Plan, desired: &DesiredState, answers: &Answers, checks: &mut Checks) {
    for group in groups(plan) {
        let Some(batch) = plan.batches.get(group.largest) else { continue };
        let first = batch.members.first().and_then(|member| desired.instances.get(&member.address));
        let Some(instance) = first else { continue };
        let members = group.batches.iter().filter_map(|index| plan.batches.get(*index));
        let members = compact(members.flat_map(|batch| batch.members.iter().map(|member| &member.address)));
        let case = Case { batch, instance, members: &members, answers };
        let found = case.misfits(checks);
        match answers.dry_runs.get(&group.largest) {
            Some(Ok(None)) => {
                // The lists may be behind the service.
                checks.add("fit", Status::Passed, format!("{members}: the service would take the request"));
                checks.add("dry-run", Status::Passed, format!("{members}: passed"));
                continue;
            }
            Some(Ok(Some(refusal))) => {
                let detail = format!("{members}: {}: {}", refusal.code, refusal.message.trim_end_matches('.'));
                checks.add("dry-run", Status::Failed, detail);
                // The quota of the whole plan was told with its numbers.
                let is_told = refusal.code.contains("InstanceQuota")
                    && checks.failures.iter().any(|problem| problem.code == "quota");
                if is_told {
                    continue;
                }
                if found.is_empty() {
                    checks.failures.push(explain(&case, refusal));
                    continue;
                }
            }
            Some(Err(why)) => checks.add("dry-run", Status::NotChecked, why),
            None => checks.add("dry-run", Status::NotChecked, "it was not asked"),
        }
        if found.is_empty() && case.is_known() {
            let spec = &batch.spec;
            let detail = format!("{members}: `{}` takes `{}`", spec.bundle_id, spec.blueprint_id);
            checks.add("fit", Status::Passed, detail);
        }
        for problem in found {
            checks.add("fit", Status::Failed, format!("{members}: {}", problem.summary));
            checks.failures.push(problem);
        }
    }
}

/// Whether a bundle runs an image, where both are reported.
fn runs(bundle: &BundleFacts, image: &BlueprintFacts) -> Option<bool> {
    if image.windows? { bundle.windows } else { bundle.linux }
}

/// One group of purchases before the lists.
pub(super) struct Case<'a> {
    pub(super) batch: &'a Batch,
    pub(super) instance: &'a DesiredInstance,
    pub(super) members: &'a str,
    pub(super) answers: &'a Answers,
}

impl<'a> Case<'a> {
    pub(super) fn bundles(&self) -> Option<&'a Bundles> {
        self.answers.bundles.as_ref().and_then(|bundles| bundles.as_ref().ok())
    }

    fn blueprints(&self) -> Option<&'a BTreeMap<String, BlueprintFacts>> {
        self.answers.blueprints.as_ref().and_then(|blueprints| blueprints.as_ref().ok())
    }

    fn is_known(&self) -> bool {
        self.bundles().is_some() && self.blueprints().is_some()
    }

    /// What the lists say against it.
    fn misfits(&self, checks: &mut Checks) -> Vec<Diagnostic> {
        fn why<T>(answer: &Option<Known<T>>) -> Option<&str> {
            answer.as_ref().and_then(|answer| answer.as_ref().err()).map(String::as_str)
        }
        let Answers { bundles, blueprints, zones, .. } = self.answers;
        let asked_for_zones = !self.batch.spec.zones.is_empty();
        let unknown = [("stock", why(bundles)), ("fit", why(blueprints))];
        for (name, why) in unknown.into_iter().chain([("zone", why(zones).filter(|_| asked_for_zones))]) {
            if let Some(why) = why {
                checks.add(name, Status::NotChecked, why);
            }
        }
        let mut found = Vec::new();
        let blueprint = self.blueprint(&mut found);
        let bundle = self.bundle(blueprint, &mut found);
        if let (Some(bundle), Some(blueprint)) = (bundle, blueprint) {
            self.go_together(bundle, blueprint, &mut found);
        }
        self.zones(bundle.is_some_and(|bundle| bundle.available), &mut found, checks);
        found
    }

    fn blueprint(&self, found: &mut Vec<Diagnostic>) -> Option<&'a BlueprintFacts> {
        let id = &self.batch.spec.blueprint_id;
        let at = place(self.instance, "blueprint_id");
        let Some(blueprint) = self.blueprints()?.get(id) else {
            found.push(
                Diagnostic::error("no-such-blueprint", format!("the cloud has no blueprint `{id}`"))
                    .at(at)
                    .label("not among the images")
                    .help("`lhprov catalog blueprints` lists what there is"),
            );
            return None;
        };
        if !blueprint.state.is_empty() && blueprint.state != "NORMAL" {
            found.push(
                Diagnostic::error("blueprint-state", format!("the blueprint `{id}` cannot be used now"))
                    .at(at)
                    .label(format!("it is {}", blueprint.state))
                    .help("wait until it is NORMAL, or write another one"),
            );
        }
        Some(blueprint)
    }

    fn bundle(&self, blueprint: Option<&BlueprintFacts>, found: &mut Vec<Diagnostic>) -> Option<&'a BundleFacts> {
        let id = &self.batch.spec.bundle_id;
        let at = place(self.instance, "bundle_id");
        let bundles = self.bundles()?;
        let Some(bundle) = bundles.get(id) else {
            let problem = Diagnostic::error("no-such-bundle", format!("the cloud has no bundle `{id}` here")).at(at);
            found.push(match did_you_mean(id, bundles.keys().map(String::as_str)) {
                Some(near) => problem.label(format!("did you mean `{near}`?")),
                None => problem.label("not for sale here").help("`lhprov catalog bundles` lists what there is"),
            });
            return None;
        };
        if !bundle.available {
            let mut problem = Diagnostic::error("sold-out", format!("the bundle `{id}` is sold out"))
                .at(at)
                .label(format!("none is left for {}", self.members));
            problem = self.nearest(problem, bundle, blueprint);
            found.push(problem.help("try again later; `lhprov catalog bundles` lists what is in stock"));
        }
        Some(bundle)
    }

    fn go_together(&self, bundle: &BundleFacts, blueprint: &BlueprintFacts, found: &mut Vec<Diagnostic>) {
        let spec = &self.batch.spec;
        let (bundle_id, blueprint_id) = (&spec.bundle_id, &spec.blueprint_id);
        let windows = blueprint.windows == Some(true);
        let runs = runs(bundle, blueprint) != Some(false);
        let system = if windows { "Windows" } else { "Linux" };
        let other = place(self.instance, "bundle_id");
        if !runs {
            let problem = Diagnostic::error("misfit", format!("`{bundle_id}` does not run {system}"))
                .at(place(self.instance, "blueprint_id"))
                .label(format!("`{blueprint_id}` is a {system}"))
                .related(other, "this bundle");
            found.push(self.nearest(problem, bundle, Some(blueprint)));
            return;
        }
        let needs =
            [("system disk", blueprint.disk, bundle.size.disk), ("memory", blueprint.memory, bundle.size.memory)];
        for (what, needed, there) in needs
            .into_iter()
            .filter_map(|(what, needed, there)| Some((what, needed?, there?)))
            .filter(|(_, n, t)| n > t)
        {
            let problem = Diagnostic::error("misfit", format!("`{blueprint_id}` needs {needed} GB of {what}"))
                .at(place(self.instance, "blueprint_id"))
                .label(format!("`{bundle_id}` has {there} GB"))
                .related(other, "this bundle");
            found.push(self.nearest(problem, bundle, Some(blueprint)));
        }
    }

    fn zones(&self, is_available: bool, found: &mut Vec<Diagnostic>, checks: &mut Checks) {
        let spec = &self.batch.spec;
        let at = place(self.instance, "zones");
        let known = self.answers.zones.as_ref().and_then(|zones| zones.as_ref().ok());
        let exists = |zone: &String| known.is_none_or(|known| known.contains(zone));
        for zone in spec.zones.iter().filter(|zone| !exists(zone)) {
            let all = known.map(|known| known.join(", ")).unwrap_or_default();
            found.push(
                Diagnostic::error("no-such-zone", format!("the cloud has no zone `{zone}`"))
                    .at(at)
                    .label("not in this region")
                    .help(format!("the zones are {all}")),
            );
        }
        let mut has_stock = spec.zones.is_empty();
        for zone in spec.zones.iter().filter(|zone| exists(zone)) {
            match self.answers.in_zones.get(zone) {
                Some(Ok(bundles)) => has_stock |= bundles.get(&spec.bundle_id).copied().unwrap_or(false),
                Some(Err(why)) => {
                    checks.add("stock", Status::NotChecked, why);
                    has_stock = true;
                }
                None => has_stock = true,
            }
        }
        // Sold out everywhere was said, and that there is no such zone.
        if has_stock || !is_available || !spec.zones.iter().any(exists) {
            return;
        }
        let elsewhere: Vec<&str> = self
            .answers
            .in_zones
            .iter()
            .filter(|(_, bundles)| bundles.as_ref().is_ok_and(|bundles| bundles.get(&spec.bundle_id) == Some(&true)))
            .map(|(zone, _)| zone.as_str())
            .collect();
        let summary = format!("the bundle `{}` is sold out in {}", spec.bundle_id, spec.zones.join(" and "));
        let problem = Diagnostic::error("sold-out", summary).at(at).label(format!("none is left for {}", self.members));
        found.push(match elsewhere.as_slice() {
            [] => problem.help("try again later; `lhprov catalog bundles` lists what is in stock"),
            zones => problem.help(format!("there are some in {}", zones.join(", "))),
        });
    }

    /// Adds the nearest bundle that is in stock and takes the image.
    pub(super) fn nearest(
        &self,
        problem: Diagnostic,
        to: &BundleFacts,
        blueprint: Option<&BlueprintFacts>,
    ) -> Diagnostic {
        let Some(bundles) = self.bundles() else { return problem };
        let fits = |bundle: &BundleFacts| match blueprint {
            Some(image) => {
                runs(bundle, image) == Some(true)
                    && bundle.size.disk >= image.disk
                    && bundle.size.memory >= image.memory
            }
            None => bundle.linux == to.linux && bundle.windows == to.windows,
        };
        let distance = |bundle: &BundleFacts| {
            let (here, there) = (&to.size, &bundle.size);
            // Too small is farther away than too large; then cores and memory count before the rest.
            let smaller = u64::from(there.cpu < here.cpu || there.memory < here.memory);
            let apart =
                |here: Option<u64>, there: Option<u64>| here.unwrap_or_default().abs_diff(there.unwrap_or_default());
            let steps = apart(here.cpu, there.cpu) * 1000 + apart(here.memory, there.memory) * 100;
            (smaller, u64::from(bundle.kind != to.kind), steps + apart(here.disk, there.disk))
        };
        let near = bundles
            .iter()
            .filter(|(id, bundle)| **id != self.batch.spec.bundle_id && bundle.available && fits(bundle))
            .min_by_key(|(id, bundle)| (distance(bundle), *id));
        match near {
            Some((id, bundle)) => {
                let crate::observe::catalogue::BundleSize { cpu, memory, disk, .. } = bundle.size;
                let parts: Vec<String> = [
                    cpu.map(|cpu| if cpu == 1 { "1 core".to_owned() } else { format!("{cpu} cores") }),
                    memory.map(|memory| format!("{memory} GB of memory")),
                    disk.map(|disk| format!("{disk} GB of disk")),
                ]
                .into_iter()
                .flatten()
                .collect();
                problem.help(format!("the nearest in stock is `{id}`: {}", parts.join(", ")))
            }
            None => problem,
        }
    }
}
