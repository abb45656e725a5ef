//! What is attached to an instance that is destroyed, replaced, purged or renewed: data disks, which stay, and snapshots, which
//! a purge deletes with it.

use crate::observe::catalogue::{Catalogue, DataDisk};
use crate::plan::change::{Action, Change, count};

/// Most disks that a note names.
const NAMED_MAX: usize = 5;

/// Adds notes to the changes that concern attached disks and snapshots, as far as the cloud listed them.
pub fn note_attached(changes: &mut [Change], catalogue: &Catalogue) {
    let failed = |question: &str| catalogue.unanswered.iter().any(|(unanswered, _)| *unanswered == question);
    for change in changes {
        let Some(id) = &change.instance_id else { continue };
        if let Some(disks) = catalogue.data_disks.get(id).filter(|disks| !disks.is_empty())
            && let Some(note) = disks_note(change, disks)
        {
            change.notes.push(note);
        }
        if let (Action::Purge, Some(snapshots @ 1..)) = (change.action, catalogue.snapshots.get(id)) {
            change.notes.push(format!("deletes its {}", plural(*snapshots, "snapshot")));
        }
        let concerns_disks = change.action.is_removal() || change.action == Action::Renew;
        if concerns_disks && failed("disks") && !catalogue.data_disks.contains_key(id) {
            change.notes.push("attached data disks: not known".to_owned());
        }
        if change.action == Action::Purge && failed("snapshots") && !catalogue.snapshots.contains_key(id) {
            change.notes.push("number of snapshots that it deletes: not known".to_owned());
        }
    }
}

fn plural(number: u64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn disks_note(change: &Change, disks: &[DataDisk]) -> Option<String> {
    let names: Vec<String> = disks.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = match disks.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let disks = format!("{}: {}{more}", count(disks.len(), "attached data disk"), names.join(", "));
    match change.action {
        Action::Renew => Some(format!("does not renew {disks}")),
        Action::Isolate | Action::Purge | Action::Replace(_) => {
            Some(format!("does not destroy {disks}; the account keeps them and pays for them"))
        }
        _ => None,
    }
}
