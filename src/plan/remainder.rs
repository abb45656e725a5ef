//! Whether an action is the rest of what was approved. One rule for a later pass of a run and for a saved plan that was
//! carried out in part.

use super::change::Action;

/// How a change that is planned now relates to one that was approved for the same address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Both name the same instance.
    pub same_instance: bool,
    /// Each attribute that differs now was approved with the same desired value, and there is one.
    pub values_approved: bool,
    /// The instance was replaced, or failed to launch: it belongs to no address any more.
    pub is_deposed: bool,
}

impl Action {
    /// Whether this action, planned now, completes `approved`: it costs nothing, loses nothing and shuts nothing down that
    /// was not approved.
    pub fn completes(self, approved: Action, relation: Relation) -> bool {
        let Relation { same_instance, values_approved, is_deposed } = relation;
        let was_bought = matches!(approved, Action::Create | Action::Replace(_));
        match self {
            // Nothing is called, or what was bought is waited for.
            Action::NoOp | Action::Resume => true,
            Action::Import => was_bought || matches!(approved, Action::Import | Action::Resume),
            // The purchase of an address, whatever became of the first attempt.
            Action::Create => was_bought,
            // What a purchase could not carry, such as names, and what is left of a change in place.
            Action::Update | Action::Start | Action::Stop => was_bought || values_approved,
            Action::Upgrade | Action::Reinstall => values_approved && same_instance,
            Action::Replace(_) | Action::Renew => self == approved && same_instance,
            Action::Isolate => (approved.is_removal() && same_instance) || (was_bought && is_deposed),
            Action::Purge => same_instance && matches!(approved, Action::Purge | Action::Replace(_)),
            Action::Forget => (approved.is_removal() && same_instance) || (was_bought && is_deposed),
            Action::Move => approved == Action::Move,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// Every action after every approved one, with each relation: `.` never, letters for the relations that suffice.
    #[test]
    fn the_table_of_remainders() {
        let relations = [
            ('n', Relation::default()),
            ('s', Relation { same_instance: true, ..Relation::default() }),
            ('v', Relation { values_approved: true, ..Relation::default() }),
            ('d', Relation { is_deposed: true, ..Relation::default() }),
            ('b', Relation { same_instance: true, values_approved: true, is_deposed: false }),
        ];
        let name = |action: Action| format!("{action:?}").replace("Replace(", "").replace(')', "");
        let mut table = format!("{:14}", "approved:");
        for approved in Action::ALL {
            write!(table, " {:>13}", name(approved)).unwrap();
        }
        for now in Action::ALL {
            write!(table, "\n{:14}", name(now)).unwrap();
            for approved in Action::ALL {
                let suffices: String = relations
                    .iter()
                    .filter(|(_, relation)| now.completes(approved, *relation))
                    .map(|(letter, _)| *letter)
                    .collect();
                write!(table, " {:>13}", if suffices.is_empty() { "." } else { &suffices }).unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    /// Nothing that costs money or loses data follows from an approval of something that does neither.
    #[test]
    fn no_cost_and_no_loss_without_approval() {
        let all = [false, true].map(|same_instance| {
            [false, true].map(|is_deposed| Relation { same_instance, values_approved: false, is_deposed })
        });
        for relation in all.into_iter().flatten() {
            for (now, approved) in Action::ALL.into_iter().flat_map(|now| Action::ALL.map(|approved| (now, approved))) {
                if now.completes(approved, relation) {
                    assert!(!now.costs_money() || approved.costs_money(), "{now:?} after {approved:?}");
                    assert!(!now.loses_data() || approved.loses_data(), "{now:?} after {approved:?}");
                }
            }
        }
    }
}
