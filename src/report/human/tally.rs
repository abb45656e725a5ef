//! How far all groups of a run are: what the live view and the lines view both count.

use crate::event::Progress;
use std::collections::BTreeMap;

/// The words for a member's state, in the order in which it goes through them.
const ORDER: [&str; 12] = [
    "waiting",
    "queued",
    "buying",
    "pending",
    "naming",
    "running",
    "changing",
    "changed",
    "isolating",
    "isolated",
    "destroyed",
    "ended",
];

/// Words after which nothing more happens to a member.
const OVER: [&str; 5] = ["running", "changed", "isolated", "destroyed", "ended"];

/// The latest word on each group.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    groups: BTreeMap<usize, Progress>,
}

impl Tally {
    /// Takes the latest word on a group.
    pub fn take(&mut self, progress: Progress) {
        self.groups.insert(progress.group, progress);
    }

    /// All groups heard of, by number.
    pub fn groups(&self) -> impl Iterator<Item = &Progress> {
        self.groups.values()
    }

    /// Members of all groups by state.
    pub fn states(&self) -> BTreeMap<&'static str, usize> {
        sum(self.groups.values())
    }

    /// How many members are at their end.
    pub fn over(&self) -> usize {
        self.states().iter().filter(|(word, _)| OVER.contains(word)).map(|(_, number)| number).sum()
    }
}

/// Whether nothing more happens to the group.
pub fn is_over(progress: &Progress) -> bool {
    progress.states.keys().all(|word| OVER.contains(word))
}

/// Members of some groups by state.
pub fn sum<'a>(groups: impl IntoIterator<Item = &'a Progress>) -> BTreeMap<&'static str, usize> {
    let mut states = BTreeMap::new();
    for (word, number) in groups.into_iter().flat_map(|group| &group.states) {
        *states.entry(*word).or_default() += number;
    }
    states
}

/// `18 pending, 12 running`: in the order of a member's life.
pub fn histogram(states: &BTreeMap<&'static str, usize>) -> String {
    let place = |word: &str| ORDER.iter().position(|known| *known == word).unwrap_or(ORDER.len());
    let mut words: Vec<(&&str, &usize)> = states.iter().filter(|(_, number)| **number > 0).collect();
    words.sort_by_key(|(word, _)| (place(word), **word));
    words.iter().map(|(word, number)| format!("{number} {word}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_the_order_of_life() {
        let mut tally = Tally::default();
        let group = |number, states: &[(&'static str, usize)]| Progress {
            group: number,
            label: String::new(),
            total: 30,
            states: states.iter().copied().collect(),
            retry: None,
        };
        tally.take(group(0, &[("waiting", 30)]));
        tally.take(group(0, &[("running", 12), ("pending", 18)]));
        tally.take(group(1, &[("running", 30)]));
        assert_eq!(histogram(&tally.states()), "18 pending, 42 running");
        assert_eq!(tally.over(), 42);
        assert_eq!(tally.groups().map(is_over).collect::<Vec<_>>(), [false, true]);
    }
}
