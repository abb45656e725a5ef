//! What is shown of a run while it goes on: groups of instances, and in which state their members are. A group is counted anew
//! only where something of it has changed.

use super::super::effect::{Effect, PurchaseId};
use super::Machine;
use super::purchase::Phase;
use crate::event::{Event, ItemStatus, Progress, Retry};
use crate::model::address::compact;
use crate::model::{Address, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Shortest time between two explanations of one group that is not listed yet.
const UNLISTED_INTERVAL: Duration = Duration::from_secs(10);

/// The groups of a run.
#[derive(Default)]
pub(super) struct Groups {
    list: Vec<Group>,
    /// Group and place of an address; it may be in several, as what is returned beside what is bought.
    places: HashMap<Address, Vec<(usize, usize)>>,
    changed: BTreeSet<usize>,
    changed_members: BTreeSet<(usize, usize)>,
}

/// What a progress line shows.
struct Group {
    label: String,
    members: Vec<Address>,
    /// The purchase that it is for.
    purchase: Option<PurchaseId>,
    /// The word of each member, once each is counted by itself.
    words: Vec<&'static str>,
    counts: BTreeMap<&'static str, usize>,
    shown: BTreeMap<&'static str, usize>,
    /// Why it waits.
    retry: Option<Retry>,
    shown_retry: Option<Retry>,
    /// Lookups in a row that did not list all of it, and when that was shown last.
    unlisted: (u32, Option<Timestamp>),
}

impl Groups {
    pub(super) fn add(&mut self, members: Vec<Address>) -> usize {
        let number = self.list.len();
        for (place, member) in members.iter().enumerate() {
            self.places.entry(member.clone()).or_default().push((number, place));
        }
        self.list.push(Group {
            label: compact(&members),
            members,
            purchase: None,
            words: Vec::new(),
            counts: BTreeMap::new(),
            shown: BTreeMap::new(),
            retry: None,
            shown_retry: None,
            unlisted: (0, None),
        });
        self.changed.insert(number);
        number
    }

    pub(super) fn is_for(&mut self, number: usize, purchase: PurchaseId) {
        self.list[number].purchase = Some(purchase);
    }

    pub(super) fn label(&self, number: usize) -> &str {
        &self.list[number].label
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// How many instances they have.
    pub(super) fn members(&self) -> usize {
        self.list.iter().map(|group| group.members.len()).sum()
    }

    /// Something of a group as a whole has changed.
    pub(super) fn touch(&mut self, number: usize) {
        self.changed.insert(number);
    }

    /// Why a group waits; none if it does not.
    pub(super) fn set_retry(&mut self, number: usize, retry: Option<Retry>) {
        let group = &mut self.list[number];
        if retry.is_none() {
            group.unlisted = (0, None);
        }
        if group.retry != retry {
            group.retry = retry;
            self.changed.insert(number);
        }
    }

    /// Why the groups of an address wait.
    pub(super) fn set_retry_at(&mut self, address: &Address, retry: &Retry) {
        let numbers: Vec<usize> = self.places.get(address).into_iter().flatten().map(|(number, _)| *number).collect();
        for number in numbers {
            self.set_retry(number, Some(retry.clone()));
        }
    }

    /// A lookup did not list all of a group.
    pub(super) fn note_unlisted(&mut self, number: usize, now: Timestamp) {
        let group = &mut self.list[number];
        group.unlisted.0 += 1;
        let since = *group.unlisted.1.get_or_insert(now);
        if now.since(since) >= UNLISTED_INTERVAL {
            group.unlisted.1 = Some(now);
            let attempts = group.unlisted.0;
            let last_error = "bought, and not listed yet".to_owned();
            // The longest interval between two polls.
            let next = now.plus(super::super::poll::INTERVAL_MAX);
            self.set_retry(number, Some(Retry { attempts, last_error, next }));
        }
    }

    /// Something of an address has changed.
    pub(super) fn touch_member(&mut self, address: &Address) {
        for (number, place) in self.places.get(address).into_iter().flatten() {
            self.changed.insert(*number);
            self.changed_members.insert((*number, *place));
        }
    }
}

impl Machine {
    /// Tells of every group that has moved.
    pub(super) fn show_progress(&mut self) {
        for number in std::mem::take(&mut self.groups.changed) {
            let counts = self.group_states(number);
            let waits = self.groups.list[number].retry.is_some() && self.group_waits(number, &counts);
            let group = &mut self.groups.list[number];
            if !waits {
                group.retry = None;
            }
            if counts != group.shown || group.retry != group.shown_retry {
                group.shown.clone_from(&counts);
                group.shown_retry.clone_from(&group.retry);
                let progress = Progress {
                    group: number,
                    label: group.label.clone(),
                    total: group.members.len(),
                    states: counts,
                    retry: group.retry.clone(),
                };
                self.effects.push(Effect::Emit(Event::Progress(progress)));
            }
        }
    }

    /// Whether something of a group is still retried or waited for.
    fn group_waits(&self, number: usize, counts: &BTreeMap<&'static str, usize>) -> bool {
        let purchase = self.groups.list[number].purchase.map(|id| &self.purchases[id].phase);
        match purchase {
            Some(Phase::InFlight { .. } | Phase::Checking | Phase::Ended) => false,
            _ => counts.keys().any(|word| !matches!(*word, "running" | "changed" | "isolated" | "destroyed" | "ended")),
        }
    }

    /// In which state a group's members are.
    fn group_states(&mut self, number: usize) -> BTreeMap<&'static str, usize> {
        if let Some(word) = self.word_for_all(number) {
            return BTreeMap::from([(word, self.groups.list[number].members.len())]);
        }
        let group = &self.groups.list[number];
        if group.words.is_empty() {
            let words: Vec<&'static str> = group.members.iter().map(|address| self.member_word(address)).collect();
            let group = &mut self.groups.list[number];
            for word in &words {
                *group.counts.entry(word).or_default() += 1;
            }
            group.words = words;
        }
        let changed: Vec<usize> =
            self.groups.changed_members.range((number, 0)..=(number, usize::MAX)).map(|(_, place)| *place).collect();
        for place in changed {
            self.groups.changed_members.remove(&(number, place));
            let word = self.member_word(&self.groups.list[number].members[place]);
            let group = &mut self.groups.list[number];
            let before = std::mem::replace(&mut group.words[place], word);
            if let Some(count) = group.counts.get_mut(before) {
                *count -= 1;
                if *count == 0 {
                    group.counts.remove(before);
                }
            }
            *group.counts.entry(word).or_default() += 1;
        }
        self.groups.list[number].counts.clone()
    }

    /// The word for all members of a purchase, until each has its instance.
    fn word_for_all(&self, number: usize) -> Option<&'static str> {
        match self.purchases[self.groups.list[number].purchase?].phase {
            Phase::Blocked => Some("waiting"),
            Phase::Ready(_) | Phase::Looking(_) | Phase::Queued { .. } => Some("queued"),
            Phase::InFlight { .. } | Phase::Checking => Some("buying"),
            Phase::Answered => Some("pending"),
            Phase::Settled => None,
            Phase::Ended => Some("ended"),
        }
    }

    /// What was shown is what a count of everything gives.
    #[cfg(test)]
    pub(super) fn assert_progress_is_shown(&self) {
        for (number, group) in self.groups.list.iter().enumerate() {
            let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
            match self.word_for_all(number) {
                Some(word) => drop(counts.insert(word, group.members.len())),
                None => {
                    for address in &group.members {
                        *counts.entry(self.member_word(address)).or_default() += 1;
                    }
                }
            }
            assert_eq!(group.shown, counts, "{}", group.label);
        }
    }

    fn member_word(&self, address: &Address) -> &'static str {
        let items = self.items.range((address.clone(), None)..).take_while(|((other, _), _)| other == address);
        let last = items.map(|(_, item)| item.status).max();
        match last {
            Some(status) => match status {
                ItemStatus::Running | ItemStatus::Imported => "running",
                ItemStatus::Updated | ItemStatus::Renewed => "changed",
                ItemStatus::Isolated | ItemStatus::Forgotten => "isolated",
                ItemStatus::Purged => "destroyed",
                _ => "ended",
            },
            None => match self.state.instances.get(address) {
                Some(recorded) => match self.waits.get(&recorded.instance_id) {
                    Some(wait) if wait.running => "naming",
                    Some(_) => "pending",
                    None if self.altering.contains_key(&recorded.instance_id) => "changing",
                    None => "isolating",
                },
                None => "waiting",
            },
        }
    }
}
