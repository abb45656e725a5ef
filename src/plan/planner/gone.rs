//! What is missing from the cloud: whether a reading may be believed without a person.
//!
//! Absence was read twice before a plan is made. It is still more likely that a reading is wrong (a lagging replica, another
//! account) than that many instances went at the same moment, so that is asked.

use super::{Inputs, Planner, Standing};
use crate::model::address::compact;
use crate::model::{Address, Life};
use crate::plan::change::{Blocked, BlockedKind, count};
use std::collections::BTreeMap;

/// Most instances that may be gone at once without confirmation, unless they are all of a block or of the stack.
const GONE_MAX: usize = 3;

impl<'a> Planner<'a> {
    /// Blocks the plan where more instances are gone than a reading can be believed for, or where a machine that ran reads as
    /// failed to launch. With `--confirm-gone` both are planned as they read.
    pub(super) fn ask_to_confirm_gone(&mut self) {
        let Inputs { prior, observed, .. } = self.inputs;
        if self.options.confirm_gone || !observed.asked {
            return;
        }
        let (mut gone, mut failed): (Vec<&'a Address>, Vec<&'a Address>) = (Vec::new(), Vec::new());
        // By block: how many are recorded, and how many of them are gone.
        let mut blocks: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (address, recorded) in &prior.instances {
            let block = blocks.entry(&address.block).or_default();
            block.0 += 1;
            let decides = self.is_selected(address) && !self.under_way.contains(address);
            match self.standing(recorded) {
                Standing::Gone if recorded.seen => {
                    block.1 += 1;
                    if decides && self.inputs.desired.moves.forgets(address).is_none() {
                        gone.push(address);
                    }
                }
                Standing::Live(live) if recorded.has_run() && live.attributes.life() == Life::Failed && decides => {
                    failed.push(address);
                }
                _ => {}
            }
        }
        if must_be_confirmed(gone.len(), prior.instances.len(), blocks.values().copied()) {
            let whole = if gone.len() == prior.instances.len() { ", all of this stack" } else { "" };
            self.blocked.push(Blocked {
                kind: BlockedKind::Gone,
                what: format!(
                    "{} gone from the cloud at once{whole}: {}",
                    match gone.len() {
                        1 => "1 instance is".to_owned(),
                        many => format!("{} are", count(many, "instance")),
                    },
                    compact(gone)
                ),
                help: vec![
                    "look in the console, in this account and region: if they are there, check the credentials, or run again later"
                        .into(),
                    "if they are gone, add --confirm-gone".into(),
                ],
            });
        }
        if !failed.is_empty() {
            let one = failed.len() == 1;
            self.blocked.push(Blocked {
                kind: BlockedKind::FailedAfterRunning,
                what: format!(
                    "{} {} running before, and the cloud now reports LAUNCH_FAILED",
                    compact(failed),
                    if one { "was" } else { "were" }
                ),
                help: vec![
                    "look in the console: a machine that ran cannot fail to launch, so run again later".into(),
                    "to replace it and to destroy what is there, add --confirm-gone".into(),
                ],
            });
        }
    }
}

/// Whether so many gone instances are asked about: more than a few, all of a stack, or all of a block. A single instance that
/// is a stack or a block of its own is not: it is gone as often as any other.
fn must_be_confirmed(gone: usize, recorded: usize, blocks: impl Iterator<Item = (usize, usize)>) -> bool {
    let is_all = |(recorded, gone): (usize, usize)| recorded >= 2 && gone == recorded;
    gone > 0 && (gone > GONE_MAX || is_all((recorded, gone)) || blocks.into_iter().any(is_all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{Case, of_text};
    use crate::plan::{Action, Options};

    #[test]
    fn a_few_are_believed_and_all_of_a_block_or_stack_are_not() {
        // Gone in all, recorded in all, (recorded, gone) of each block.
        type Row = (usize, usize, &'static [(usize, usize)], bool);
        let table: [Row; 11] = [
            (0, 0, &[], false),
            (0, 5, &[(5, 0)], false),
            (1, 1, &[(1, 1)], false),
            (1, 3, &[(1, 1), (1, 0), (1, 0)], false),
            (2, 3, &[(1, 1), (1, 1), (1, 0)], false),
            (2, 2, &[(1, 1), (1, 1)], true),
            (2, 5, &[(2, 2), (3, 0)], true),
            (1, 2, &[(2, 1)], false),
            (3, 30, &[(30, 3)], false),
            (4, 30, &[(30, 4)], true),
            (4, 30, &[(1, 1), (1, 1), (1, 1), (1, 1), (26, 0)], true),
        ];
        for (gone, recorded, blocks, expected) in table {
            let found = must_be_confirmed(gone, recorded, blocks.iter().copied());
            assert_eq!(found, expected, "{gone} of {recorded}: {blocks:?}");
        }
    }

    fn web(count: usize) -> crate::desired::DesiredState {
        let keys = "{ bundle_id: small, blueprint_id: linux, charge: { period: 1 }";
        let manifest =
            format!("version: 1\nstack: shop\nregion: ap-guangzhou\ninstances:\n  web: {keys}, count: {count} }}\n");
        of_text(&manifest)
    }

    fn creates(planned: &crate::plan::Planned) -> usize {
        planned.plan.changes.iter().filter(|change| change.action == Action::Create).count()
    }

    #[test]
    fn a_block_that_is_gone_at_once_blocks_the_plan_until_it_is_confirmed() {
        let desired = web(3);
        let mut case = Case::of(&desired);
        case.observed.instances.clear();
        let planned = case.planned_with(&desired, Options::default());
        assert_eq!(creates(&planned), 3, "the plan shows what it would buy");
        assert_eq!(planned.blocked.len(), 1);
        assert!(planned.blocked[0].what.contains("gone from the cloud at once"), "{:?}", planned.blocked);
        let confirmed = Options { confirm_gone: true, ..Options::default() };
        let planned = case.planned_with(&desired, confirmed);
        assert_eq!((creates(&planned), planned.blocked.len()), (3, 0));
    }

    #[test]
    fn one_of_a_block_is_created_again_without_a_question() {
        let desired = web(3);
        let mut case = Case::of(&desired);
        let first = case.prior.instances.values().next().expect("it is recorded").instance_id.clone();
        case.observed.instances.remove(&first);
        let planned = case.planned_with(&desired, Options::default());
        assert_eq!((creates(&planned), planned.blocked.len()), (1, 0));
    }

    #[test]
    fn a_machine_that_ran_and_reads_as_failed_to_launch_is_asked_about() {
        let desired = web(2);
        let mut case = Case::of(&desired);
        let recorded = case.prior.instances.values_mut().next().expect("it is recorded");
        recorded.attributes.state = "RUNNING".into();
        recorded.seen = true;
        let id = recorded.instance_id.clone();
        case.observed.instances.get_mut(&id).expect("it is live").attributes.state = "LAUNCH_FAILED".into();
        let planned = case.planned_with(&desired, Options::default());
        assert_eq!(planned.blocked.len(), 1, "{:?}", planned.blocked);
        assert!(planned.blocked[0].what.contains("LAUNCH_FAILED"), "{:?}", planned.blocked);
        let confirmed = Options { confirm_gone: true, ..Options::default() };
        assert!(case.planned_with(&desired, confirmed).blocked.is_empty());
        // One that never ran may fail to launch.
        case.prior.instances.values_mut().next().expect("it is recorded").attributes.state = "PENDING".into();
        assert!(case.planned_with(&desired, Options::default()).blocked.is_empty());
    }
}
