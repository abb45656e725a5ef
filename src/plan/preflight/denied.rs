//! Whether the service announces that it would refuse a change: DescribeInstancesDeniedActions for the calls that it needs,
//! DescribeResetInstanceBlueprints for the image of a reinstallation.

use super::{Checks, Status};
use crate::diag::Diagnostic;
use crate::model::Life;
use crate::observe::state::ObservedState;
use crate::plan::attribute::Kind;
use crate::plan::change::{Action, Change, Reason};
use crate::plan::planner::Planned;

/// Codes of a refusal that ends by itself: an apply waits until the operation is over.
const PASSING: [&str; 3] = [
    "OperationDenied.InstanceCreating",
    "OperationDenied.InstanceOperationInProgress",
    "UnsupportedOperation.LatestOperationUnfinished",
];

/// The API actions that a change begins with, by their names there. A later call of the same change, such as the
/// TerminateInstances of a purge, is refused now and allowed then, so it is not among them.
pub fn api_actions(change: &Change) -> Vec<&'static str> {
    // A deposed instance that cannot be destroyed yet stays on record; that keeps nothing else from being applied.
    if matches!(change.reason, Reason::Deposed(_)) {
        return Vec::new();
    }
    match change.action {
        // The first half of the replacement is done, and nothing is requested for the instance.
        Action::Replace(_) if change.is_isolated_already() => return Vec::new(),
        Action::Isolate | Action::Replace(_) => return vec!["IsolateInstances"],
        // What is isolated already is only terminated.
        Action::Purge if change.is_isolated_already() => return vec!["TerminateInstances"],
        Action::Purge => return vec!["IsolateInstances"],
        Action::Renew => return vec!["RenewInstances"],
        _ if !change.action.is_alteration() => return Vec::new(),
        _ => {}
    }
    let mut actions: Vec<&'static str> = Vec::new();
    for diff in &change.diffs {
        match diff.kind {
            Kind::InstanceName => actions.push("ModifyInstancesAttribute"),
            Kind::RenewFlag => actions.push("ModifyInstancesRenewFlag"),
            Kind::BundleId => actions.push("ModifyInstancesBundle"),
            Kind::BlueprintId => actions.push("ResetInstance"),
            Kind::KeyIds => actions.push("AssociateInstancesKeyPairs"),
            Kind::Password => actions.push("ResetInstancesPassword"),
            Kind::FirewallTemplateId => actions.push("ApplyFirewallTemplate"),
            Kind::Power if diff.after == "stopped" => actions.push("StopInstances"),
            Kind::Power => actions.push("StartInstances"),
            // The Tag service sets tags; the others go with a purchase or change nothing.
            Kind::Tags
            | Kind::OwnershipTags
            | Kind::AutoGeneratePassword
            | Kind::Zones
            | Kind::Region
            | Kind::Containers
            | Kind::InitCommand
            | Kind::DomainName
            | Kind::Subdomain
            | Kind::Period
            | Kind::AutoVoucher
            | Kind::Protect => {}
        }
    }
    // A machine that a change shuts down is in another state by the time of its later calls, so only the first is asked for.
    actions.truncate(1);
    actions
}

/// Adds a failure for each change that the service would refuse.
pub fn judge(planned: &Planned, observed: &ObservedState, checks: &mut Checks) {
    let catalogue = &observed.catalogue;
    let mut checked = 0;
    for change in &planned.plan.changes {
        let Some(id) = &change.instance_id else { continue };
        // What is on the way to another state allows other actions when its turn comes.
        let is_settled = observed.instances.get(id).is_some_and(|live| {
            !live.is_busy() && !matches!(live.attributes.life(), Life::Pending | Life::Failed | Life::Ending)
        });
        if !is_settled {
            continue;
        }
        let actions = api_actions(change);
        if let Some(denied) = catalogue.denied.get(id) {
            checked += usize::from(!actions.is_empty());
            for refusal in denied
                .iter()
                .filter(|refusal| actions.contains(&refusal.action.as_str()))
                .filter(|refusal| !PASSING.contains(&refusal.code.as_str()))
            {
                let summary = format!("the service would refuse {} for `{}` ({id})", refusal.action, change.address);
                let message = match refusal.message.trim_end_matches('.') {
                    "" => refusal.code.clone(),
                    message => format!("{}: {message}", refusal.code),
                };
                checks.add("denied", Status::Failed, format!("{}: {message}", change.address));
                checks.failures.push(failure(change, summary, message));
            }
        }
        for diff in change.diffs.iter().filter(|diff| diff.kind == Kind::BlueprintId) {
            let Some(to) = diff.after.as_str() else { continue };
            if let Some(message) = catalogue.resets.get(&(id.clone(), to.to_owned())).and_then(Option::as_ref) {
                let summary = format!("the service would not reinstall `{}` ({id}) with `{to}`", change.address);
                checks.add("denied", Status::Failed, format!("{}: {message}", change.address));
                checks.failures.push(failure(change, summary, message.clone()));
            }
        }
    }
    if checked > 0 && checks.failures.iter().all(|failure| failure.code != "denied") {
        checks.add("denied", Status::Passed, format!("{checked} changes: the service announces no refusal"));
    }
}

fn failure(change: &Change, summary: String, message: String) -> Diagnostic {
    let diagnostic = Diagnostic::error("denied", summary).about([change.address.clone()]).detail(format!("{message}."));
    let diagnostic = match change.source {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    };
    diagnostic.help(format!("wait until the instance allows it, or leave it out with `--skip '{}'`", change.address))
}
