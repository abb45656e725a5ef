//! `--only` and `--skip`: which addresses a run is limited to. Pure.
//!
//! What is left out is neither changed, bought, removed nor spoken of. Batches are cut as ever, over the whole manifest; a
//! purchase then has those of a batch's members that are selected.

use super::change::{Blocked, BlockedKind};
use crate::desired::{DependencyRef, DesiredState};
use crate::diag::{Diagnostic, did_you_mean};
use crate::model::Address;
use crate::model::address::compact;
use crate::state::{OpenIntents, PriorState};
use globset::{Glob, GlobMatcher};
use std::collections::{BTreeMap, BTreeSet};

/// What the user wrote: patterns of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// Of `--only`; all addresses if there are none.
    pub only: Vec<String>,
    /// Of `--skip`.
    pub skip: Vec<String>,
}

impl Select {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.skip.is_empty()
    }
}

/// A pattern that is none, or matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SelectError {
    /// What is wrong.
    pub what: String,
    /// The way out.
    pub help: String,
}

/// What a run is limited to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The addresses.
    pub addresses: BTreeSet<Address>,
    /// What is to be said about it.
    pub notes: Vec<Diagnostic>,
    /// Why it cannot be so.
    pub blocked: Vec<Blocked>,
}

/// What a pattern stands for: an address, a block with all of its instances, or a glob over both.
///
/// Brackets are part of addresses, so they stand for themselves: `web[*]` are the instances of `web`. `*`, `?` and `{a,b}` are
/// as in a shell.
pub struct Pattern {
    text: String,
    glob: GlobMatcher,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty or not a glob.
    pub fn new(text: &str) -> Result<Self, SelectError> {
        let escaped: String = text
            .chars()
            .flat_map(|c| match c {
                '[' | ']' | '\\' => vec!['\\', c],
                c => vec![c],
            })
            .collect();
        let bad = |why: String| SelectError {
            what: format!("`{text}` is not a pattern of addresses{why}"),
            help: "write an address, a block, or a pattern such as 'web*' or 'web[?]'".to_owned(),
        };
        if text.is_empty() {
            return Err(bad(String::new()));
        }
        let glob = globset::GlobBuilder::new(&escaped).backslash_escape(true).build();
        let glob: Glob = glob.map_err(|error| bad(format!(": {}", error.kind())))?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher() })
    }

    /// Whether a text is, for patterns of names.
    pub fn matches_text(&self, text: &str) -> bool {
        self.text == text || self.glob.is_match(text)
    }

    /// Whether an address is meant.
    pub fn matches(&self, address: &Address) -> bool {
        let shown = address.to_string();
        self.text == shown
            || self.text == address.block
            || self.glob.is_match(&shown)
            || self.glob.is_match(&address.block)
    }
}

/// Works the patterns out over everything that the manifest or the state has.
///
/// # Errors
/// When a pattern is none or matches nothing, with the nearest address.
pub fn resolve(
    select: &Select,
    desired: &DesiredState,
    prior: &PriorState,
    open: &OpenIntents,
    destroy: bool,
) -> Result<Selection, SelectError> {
    let known = known(desired, prior, open);
    let only = matching("--only", &select.only, &known)?;
    let skip = matching("--skip", &select.skip, &known)?;
    let mut addresses = if select.only.is_empty() { known.iter().copied().cloned().collect() } else { only };
    let mut notes = Vec::new();
    if !destroy && !select.only.is_empty() {
        notes.extend(add_what_is_needed(&mut addresses, &skip, desired));
    }
    addresses.retain(|address| !skip.contains(address));
    let left_out: Vec<&Address> = known.iter().copied().filter(|address| !addresses.contains(*address)).collect();
    if !left_out.is_empty() {
        let text = format!("left out by --only or --skip: {}", compact(left_out.iter().copied()));
        notes.insert(0, Diagnostic::warning("left-out", text));
    }
    let blocked = match destroy {
        true => still_needed(&addresses, desired, prior),
        false => Vec::new(),
    };
    Ok(Selection { addresses, notes, blocked })
}

/// The addresses that are meant, and nothing beside them.
///
/// # Errors
/// As of `resolve`.
pub fn chosen(
    select: &Select,
    desired: &DesiredState,
    prior: &PriorState,
    open: &OpenIntents,
) -> Result<BTreeSet<Address>, SelectError> {
    let known = known(desired, prior, open);
    let only = matching("--only", &select.only, &known)?;
    let skip = matching("--skip", &select.skip, &known)?;
    let all = || known.iter().copied().cloned().collect();
    let mut addresses = if select.only.is_empty() { all() } else { only };
    addresses.retain(|address| !skip.contains(address));
    Ok(addresses)
}

fn known<'a>(desired: &'a DesiredState, prior: &'a PriorState, open: &'a OpenIntents) -> BTreeSet<&'a Address> {
    let under_way = open.values().flat_map(|open| open.intent.members.iter().map(|member| &member.address));
    let left_over = prior.deposed.iter().map(|deposed| &deposed.address);
    desired.instances.keys().chain(prior.instances.keys()).chain(left_over).chain(under_way).collect()
}

/// The addresses that some patterns mean.
fn matching(flag: &str, patterns: &[String], known: &BTreeSet<&Address>) -> Result<BTreeSet<Address>, SelectError> {
    let mut matched = BTreeSet::new();
    for text in patterns {
        let pattern = Pattern::new(text)?;
        let mut any = false;
        for address in known.iter().filter(|address| pattern.matches(address)) {
            any = true;
            matched.insert((*address).clone());
        }
        if !any {
            return Err(nothing(flag, text, known));
        }
    }
    Ok(matched)
}

fn nothing(flag: &str, text: &str, known: &BTreeSet<&Address>) -> SelectError {
    let shown: Vec<String> = known.iter().map(ToString::to_string).collect();
    let blocks = known.iter().map(|address| address.block.as_str());
    let near = did_you_mean(text, shown.iter().map(String::as_str).chain(blocks));
    SelectError {
        what: format!("{flag} `{text}` matches nothing that the manifest or the state has"),
        help: match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "`lhprov render` prints every address of the manifest, `lhprov state list` those of the state".into()
            }
        },
    }
}

/// Adds, over any number of steps, what the selected instances depend on. What is skipped is not added: whether that does
/// harm is seen when something is to be bought.
fn add_what_is_needed(
    addresses: &mut BTreeSet<Address>,
    skip: &BTreeSet<Address>,
    desired: &DesiredState,
) -> Vec<Diagnostic> {
    let mut needed: BTreeMap<String, (BTreeSet<Address>, BTreeSet<Address>)> = BTreeMap::new();
    let mut queue: Vec<Address> = addresses.iter().filter(|address| !skip.contains(*address)).cloned().collect();
    while let Some(address) = queue.pop() {
        let Some(instance) = desired.instances.get(&address) else { continue };
        for reference in instance.depends_on.iter() {
            for other in of_reference(reference, desired) {
                if skip.contains(other) || !addresses.insert(other.clone()) {
                    continue;
                }
                let (added, by) = needed.entry(other.block.clone()).or_default();
                added.insert(other.clone());
                by.insert(address.clone());
                queue.push(other.clone());
            }
        }
    }
    let note = |(added, by): (BTreeSet<Address>, BTreeSet<Address>)| {
        let text = format!("{} is planned as well: {} needs it", compact(&added), compact(&by));
        Diagnostic::warning("needed", text)
    };
    needed.into_values().map(note).collect()
}

fn of_reference<'a>(reference: &DependencyRef, desired: &'a DesiredState) -> Vec<&'a Address> {
    match reference {
        DependencyRef::Instance(address) => {
            desired.instances.get_key_value(address).map(|(key, _)| key).into_iter().collect()
        }
        DependencyRef::Block(block) => {
            let from = Address::single(block.clone());
            desired.instances.range(from..).map(|(key, _)| key).take_while(|key| key.block == *block).collect()
        }
    }
}

/// What stays although what it depends on goes.
fn still_needed(leaving: &BTreeSet<Address>, desired: &DesiredState, prior: &PriorState) -> Vec<Blocked> {
    let mut blocked = Vec::new();
    for (address, instance) in &desired.instances {
        if leaving.contains(address) || !prior.instances.contains_key(address) {
            continue;
        }
        let needs = instance.depends_on.iter().flat_map(|reference| of_reference(reference, desired));
        let gone: BTreeSet<&Address> =
            needs.filter(|needed| leaving.contains(*needed) && prior.instances.contains_key(*needed)).collect();
        if !gone.is_empty() {
            blocked.push(Blocked {
                kind: BlockedKind::DependencyDestroyed,
                what: format!("`{address}` stays and depends on {}, which would go", compact(gone.iter().copied())),
                help: vec![format!("let it go as well with --only {0}, or keep both with --skip", address.block)],
            });
        }
    }
    blocked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_stand_for_themselves() {
        let web = Address::indexed("web", 12);
        let edge = Address::named("edge", "a/b");
        let matches = |text: &str, address: &Address| Pattern::new(text).unwrap().matches(address);
        for text in ["web", "web[12]", "web[*]", "w*", "web[1?]", "{web,db}", "*"] {
            assert!(matches(text, &web), "{text}");
        }
        for text in ["web[1]", "web[0-9]", "db", "we", "web[?]"] {
            assert!(!matches(text, &web), "{text}");
        }
        for text in ["edge", "edge[\"a/b\"]", "edge[*]", "e*"] {
            assert!(matches(text, &edge), "{text}");
        }
        assert!(Pattern::new("").is_err());
        assert!(Pattern::new("{a").is_err_and(|error| error.what.contains("is not a pattern")));
    }
}
