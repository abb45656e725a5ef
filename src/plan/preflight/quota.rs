//! Whether the quotas admit a plan as a whole. A dry run cannot tell: it sees one purchase at a time.

use super::answers::Answers;
use super::{Checks, QuotaLeft, Status, place};
use crate::desired::DesiredState;
use crate::diag::{Diagnostic, Span};
use crate::model::address::compact;
use crate::model::{Address, Replace};
use crate::plan::attribute::Kind;
use crate::plan::change::{Action, Change, Plan};
use std::collections::{BTreeMap, BTreeSet};

/// The quota's name of a type of bundle (model, DescribeGeneralResourceQuotas).
pub fn quota_name(kind: &str) -> String {
    format!("{kind}_INSTANCE")
}

/// What a type of bundle has to give.
#[derive(Default)]
struct Needed<'a> {
    takers: Vec<&'a Address>,
    /// Places that become free before they are taken again.
    freed: u64,
}

pub(super) fn judge(plan: &Plan, desired: &DesiredState, answers: &Answers, checks: &mut Checks) {
    let bundles = match &answers.bundles {
        None => return,
        Some(Err(why)) => {
            checks.add("quota", Status::NotChecked, why);
            return;
        }
        Some(Ok(bundles)) => bundles,
    };
    let kind = |bundle: &str| bundles.get(bundle).map(|facts| facts.kind.as_str());
    let mut needed: BTreeMap<&str, Needed<'_>> = BTreeMap::new();
    for batch in &plan.batches {
        let Some(kind) = kind(&batch.spec.bundle_id) else { continue };
        needed.entry(kind).or_default().takers.extend(batch.members.iter().map(|member| &member.address));
    }
    for change in &plan.changes {
        match upgrade(change) {
            Some((from, to)) if kind(from) != kind(to) => {
                let Some(to) = kind(to) else { continue };
                needed.entry(to).or_default().takers.push(&change.address);
            }
            _ => {}
        }
        if change.action == Action::Replace(Replace::DestroyFirst)
            && let Some(batch) = change.batch.and_then(|batch| plan.batches.get(batch))
            && let Some(kind) = kind(&batch.spec.bundle_id)
        {
            needed.entry(kind).or_default().freed += 1;
        }
    }
    if needed.is_empty() {
        return;
    }
    let quotas = match &answers.quotas {
        Some(Ok(quotas)) => quotas,
        Some(Err(why)) => return checks.add("quota", Status::NotChecked, why),
        None => return checks.add("quota", Status::NotChecked, "it was not asked"),
    };
    for (kind, Needed { takers, freed }) in needed {
        let Some(quota) = quotas.get(&quota_name(kind)) else {
            checks.add("quota", Status::NotChecked, format!("the service says nothing of {}", quota_name(kind)));
            continue;
        };
        let wanted = (takers.len() as u64).saturating_sub(freed);
        let detail = format!("{kind}: {wanted} needed, {} left of {}", quota.available, quota.total);
        if wanted <= quota.available {
            checks.add("quota", Status::Passed, detail);
            let left = quota.available - wanted;
            checks.quota_left.push(QuotaLeft { kind: kind.to_owned(), left, total: quota.total });
            continue;
        }
        checks.add("quota", Status::Failed, detail);
        let summary = format!(
            "the quota of {kind} admits {}, and this plan needs {wanted}",
            match quota.available {
                1 => "1 more instance".to_owned(),
                many => format!("{many} more instances"),
            }
        );
        let mut problem = Diagnostic::error("quota", summary)
            .label(format!("{} left of {}", quota.available, quota.total))
            .detail(format!("It is needed for {}.", compact(takers.iter().copied())));
        let mut places: BTreeSet<Span> = BTreeSet::new();
        for address in &takers {
            places.extend(desired.instances.get(*address).map(|instance| place(instance, "bundle_id")));
        }
        let mut places = places.into_iter();
        if let Some(first) = places.next() {
            problem = problem.at(first);
        }
        for more in places {
            problem = problem.related(more, "and by this");
        }
        let others: Vec<String> = quotas
            .iter()
            .filter(|(name, other)| **name != quota_name(kind) && other.available >= wanted)
            .filter_map(|(name, other)| Some(format!("{} ({} left)", name.strip_suffix("_INSTANCE")?, other.available)))
            .collect();
        if !others.is_empty() {
            problem = problem.help(format!("types of bundle with quota enough: {}", others.join(", ")));
        }
        let over = wanted - quota.available;
        problem = problem.help(format!("take away {over}, or ask the service for a larger quota in the console"));
        checks.failures.push(problem);
    }
}

/// The bundles of a change in place.
fn upgrade(change: &Change) -> Option<(&str, &str)> {
    let diff =
        change.diffs.iter().find(|diff| diff.kind == Kind::BundleId).filter(|_| change.action.is_alteration())?;
    Some((diff.before.as_str()?, diff.after.as_str()?))
}
