//! What a plan would have to know of what the cloud sells and takes back: nothing, unless something changes or leaves.

use super::attribute::Kind;
use super::change::Change;
use super::planner::Planned;
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
            (Kind::BlueprintId, _) => questions.blueprints.extend([before.to_owned(), after.to_owned()]),
            _ => {}
        }
    }
}
