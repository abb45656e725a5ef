//! What a plan would have to know of what the cloud sells and takes back: nothing, unless something changes or leaves.

use super::attribute::Kind;
use super::change::{Action, Change};
use super::planner::Planned;
use super::preflight::denied::api_actions;
use crate::observe::catalogue::Questions;

/// Reads a plan that was made without a catalogue.
pub fn questions(planned: &Planned) -> Questions {
    let mut questions = Questions::default();
    for change in &planned.plan.changes {
        let Some(id) = &change.instance_id else { continue };
        if change.action.is_removal() && change.refund.is_none() {
            questions.returns.insert(id.clone());
        }
        if change.action.is_alteration() {
            of_change(change, &mut questions);
        }
        if change.action.is_removal() || change.action == Action::Renew {
            questions.disks.insert(id.clone());
        }
        if change.action == Action::Purge {
            questions.snapshots.insert(id.clone());
        }
        if !api_actions(change).is_empty() {
            questions.denied.insert(id.clone());
        }
    }
    questions
}

fn of_change(change: &Change, questions: &mut Questions) {
    for diff in &change.diffs {
        let (Some(before), Some(after)) = (diff.before.as_str(), diff.after.as_str()) else { continue };
        match (diff.kind, &change.instance_id) {
            (Kind::BundleId, Some(id)) => {
                questions.upgrades.insert(id.clone(), (before.to_owned(), after.to_owned()));
            }
            (Kind::BlueprintId, Some(id)) => {
                questions.blueprints.extend([before.to_owned(), after.to_owned()]);
                questions.resets.insert((id.clone(), after.to_owned()));
            }
            _ => {}
        }
    }
}
