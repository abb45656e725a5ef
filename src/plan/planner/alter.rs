//! What differs at an address that has its instance: changed in place, or replaced.

use super::{Inputs, Missing, Planner, unconfirmed};
use crate::desired::DesiredInstance;
use crate::diag::{Diagnostic, Span};
use crate::model::{Address, InstanceId, Life, ObservedInstance, Predecessor, Replace};
use crate::plan::attribute::Kind;
use crate::plan::change::{
    ACCEPT_NO_REFUND, ALLOW_DATA_LOSS, Action, After, AttributeDiff, Blocked, BlockedKind, Change, Forced, Need,
    Reason, count,
};
use crate::plan::diff::differences;
use crate::plan::drift::standing;
use crate::plan::verdict::{Case, Verdict, judge};
use crate::state::RecordedInstance;

/// Where the manifest has an attribute.
pub(super) fn place(desired: &DesiredInstance, kind: Kind) -> Span {
    let key = kind.row().key;
    desired.attribute_spans.get(key).copied().unwrap_or(desired.span)
}

/// Protection as a difference. It is recorded in the state alone, so applying it makes no request.
fn protection_change(desired: &DesiredInstance, recorded: &RecordedInstance) -> Option<AttributeDiff> {
    // Nothing of an unconfirmed instance changes before it is confirmed.
    (desired.protect != recorded.protect && !recorded.unconfirmed).then(|| AttributeDiff {
        kind: Kind::Protect,
        before: recorded.protect.into(),
        after: desired.protect.into(),
    })
}

impl<'a> Planner<'a> {
    /// Compares what is wanted with what is there.
    pub(super) fn compare(
        &mut self,
        address: &'a Address,
        desired: &'a DesiredInstance,
        recorded: &'a RecordedInstance,
        live: Option<&'a ObservedInstance>,
    ) {
        let mut diffs = differences(desired, &recorded.spec, live.map(|live| &live.attributes));
        if let Some(live) = live {
            self.stop_at_unreported(address, desired, &live.attributes, &mut diffs);
            diffs.extend(self.lost_ownership(address, desired, recorded, &live.attributes));
        }
        let verdict = judge(&Case {
            diffs: &diffs,
            id: &recorded.instance_id,
            live,
            catalogue: &self.inputs.observed.catalogue,
            region: &self.inputs.desired.region,
            site: self.inputs.desired.site,
        });
        if let Some(live) = live {
            self.warn_out_of_service(address, desired, live);
        }
        for (kind, diagnostic) in &verdict.refused {
            let span = place(desired, *kind);
            let diagnostic = diagnostic.clone();
            let named = format!("`{address}`: {}", diagnostic.summary);
            self.diagnostics.push(Diagnostic { summary: named, ..diagnostic.at(span) });
        }
        let mut change = Change {
            instance_id: Some(recorded.instance_id.clone()),
            source: Some(desired.span),
            ..Change::new(address, Action::NoOp, Reason::AsDesired)
        };
        if desired.replace_now || !verdict.forced.is_empty() {
            change.diffs = diffs;
            self.replace(address, desired, recorded, change, verdict);
            return;
        }
        let protection = protection_change(desired, recorded);
        let Some(action) = verdict.action.or(protection.is_some().then_some(Action::Update)) else {
            self.changes.push(change);
            return;
        };
        if action == Action::Reinstall && (desired.protect || recorded.protect) {
            self.blocked.push(Blocked {
                kind: BlockedKind::Protected,
                what: format!("`{address}` ({}) is protected and its disk would be wiped", recorded.instance_id),
                help: vec![
                    "write the old image back".into(),
                    "to wipe the disk, apply once with `protect: false` and the old image, then change the image"
                        .into(),
                ],
            });
        }
        // Differences that ask for nothing are shown beside none.
        change.diffs = if verdict.action.is_some() { diffs } else { Vec::new() };
        change.diffs.extend(protection);
        change.action = action;
        change.reason = Reason::Differs;
        change.after = Some(After::of(desired));
        change.price = verdict.price;
        change.notes = verdict.notes;
        self.changes.push(change);
    }

    fn replace(
        &mut self,
        address: &'a Address,
        desired: &'a DesiredInstance,
        recorded: &'a RecordedInstance,
        mut change: Change,
        verdict: Verdict,
    ) {
        let id = &recorded.instance_id;
        if desired.protect || recorded.protect {
            self.blocked.push(Blocked {
                kind: BlockedKind::Protected,
                what: format!("`{address}` ({id}) is protected and would be replaced"),
                help: vec![
                    "write the old value back, or name the attribute in `ignore_changes`".into(),
                    "to let the instance go, apply once with `protect: false`, then change the attribute".into(),
                ],
            });
        }
        change.action = Action::Replace(desired.replace);
        change.reason = if verdict.forced.is_empty() { Reason::Asked } else { Reason::Forced };
        change.forces_replace =
            verdict.forced.iter().map(|kind| Forced { kind: *kind, span: place(desired, *kind) }).collect();
        change.diffs.retain(|diff| verdict.forced.contains(&diff.kind));
        change.notes = verdict.notes;
        change.after = Some(After::of(desired));
        change.refund = self.inputs.observed.catalogue.returnable.get(id).cloned();
        if desired.replace == Replace::CreateFirst {
            // Bought beside the old one, which is its predecessor; that one is returned once the new one runs.
            let missing = Missing { predecessor: Predecessor::Instance(id.clone()), reason: change.reason.clone() };
            self.missing.insert(address, missing);
            self.replaced.insert(address, change);
        } else {
            // Returned first. What is bought then is planned when it is gone.
            self.changes.push(change);
        }
    }

    /// An isolated instance is the first half of a replacement (`replace: destroy_first`) that the state records, or that the
    /// manifest still asks for: then the second half follows. Without a record somebody else may have isolated it, so consent
    /// to the loss of its data is asked for. Otherwise the user decides.
    pub(super) fn plan_isolated(
        &mut self,
        address: &'a Address,
        desired: &'a DesiredInstance,
        recorded: &'a RecordedInstance,
        live: &'a ObservedInstance,
    ) {
        let id = &recorded.instance_id;
        if recorded.replacing {
            let predecessor = Predecessor::Instance(id.clone());
            let missing = Missing { predecessor, reason: Reason::Removed(id.0.clone()) };
            self.missing.insert(address, missing);
            return;
        }
        let diffs = differences(desired, &recorded.spec, Some(&live.attributes));
        let Inputs { observed, desired: stack, .. } = self.inputs;
        let case = Case {
            diffs: &diffs,
            id,
            live: Some(live),
            catalogue: &observed.catalogue,
            region: &stack.region,
            site: stack.site,
        };
        let verdict = judge(&case);
        let needs_another = desired.replace_now || !verdict.forced.is_empty();
        if desired.replace != Replace::DestroyFirst || !needs_another || !verdict.refused.is_empty() {
            self.refuse_isolated(address, desired, live);
            return;
        }
        let change = Change {
            instance_id: Some(id.clone()),
            source: Some(desired.span),
            diffs,
            ..Change::new(address, Action::NoOp, Reason::AsDesired)
        };
        self.replace(address, desired, recorded, change, verdict);
        if let Some(change) = self.changes.last_mut() {
            change.refund = None;
            change.reason = Reason::ReturnedAlready;
            change.notes.push(format!("{id} is isolated already"));
        }
    }

    fn refuse_isolated(&mut self, address: &Address, desired: &DesiredInstance, live: &ObservedInstance) {
        let what = standing(address, &live.attributes, self.inputs.observed.at).unwrap_or_default();
        self.diagnostics.push(
            Diagnostic::error("isolated", format!("`{address}` is isolated"))
                .about([address.clone()])
                .at(desired.span)
                .label(format!("{} ({}) {what}", live.id, live.attributes.state))
                .detail("An isolated instance is out of service and is released after seven days.")
                .help(format!("bring it back with `lhprov renew {}`", address.quoted()))
                .help(format!("or remove `{address}` from the manifest, apply, and add it again to buy a new one")),
        );
    }

    fn warn_out_of_service(&mut self, address: &Address, desired: &DesiredInstance, live: &ObservedInstance) {
        let attributes = &live.attributes;
        let what = match standing(address, attributes, self.inputs.observed.at) {
            // As it is to be.
            Some(_) if attributes.is_stopped() && desired.power.is_some() => return,
            Some(what) => what,
            None if !attributes.restrict_state.is_empty() => {
                format!("is running, but its network is restricted ({})", attributes.restrict_state)
            }
            None => return,
        };
        self.diagnostics.push(Diagnostic::warning("not-running", format!("`{address}` {what}")).at(desired.span));
    }

    /// Where something that stood at an address is isolated and can still be brought back, buying anew is not the only way.
    pub(super) fn offer_renewal(&mut self) {
        let observed = self.inputs.observed;
        for (address, missing) in &self.missing {
            let before = missing.predecessor.instance();
            let Some(live) = before.and_then(|id| observed.instances.get(id)) else { continue };
            if live.attributes.life() == Life::Isolated {
                let span = self.inputs.desired.instances[*address].span;
                let text = format!("`{address}` would be bought anew, and {} can be brought back", live.id);
                self.diagnostics.push(Diagnostic::warning("recoverable", text).at(span).help(format!(
                    "`lhprov renew {}` buys time for it instead, with its disk and addresses",
                    address.quoted()
                )));
            }
        }
    }

    /// What is being created or failed to be: what the service says of its return now says nothing of the return.
    fn is_not_yet_there(&self, id: &InstanceId) -> bool {
        let live = self.inputs.observed.instances.get(id).map(|live| live.attributes.life());
        matches!(live, Some(Life::Pending | Life::Failed))
    }

    /// The consent that the plan needs, counted.
    pub(super) fn consents(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        let mut need = |flag, number: usize, what: &str| {
            if number > 0 {
                needs.push(Need { flag, what: format!("{what} {}", count(number, "instance")) });
            }
        };
        let changes = &self.changes;
        let lost = changes.iter().filter(|change| change.action.loses_data()).count();
        need(ALLOW_DATA_LOSS, lost, "the data is lost of");
        let kept: std::collections::BTreeSet<_> =
            self.inputs.prior.deposed.iter().filter(|left| left.is_kept()).map(|left| &left.instance_id).collect();
        let unrefunded = |change: &&Change| {
            change.action.is_removal()
                && change.refund.as_ref().is_some_and(|refund| !refund.is_returnable && refund.code != 1)
                && change.instance_id.as_ref().is_none_or(|id| !kept.contains(id) && !self.is_not_yet_there(id))
        };
        need(ACCEPT_NO_REFUND, changes.iter().filter(unrefunded).count(), "the service does not take back");
        needs.extend(unconfirmed::confirmation(changes));
        needs
    }
}
