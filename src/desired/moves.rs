//! `moved` and `forget`: what the state is to say of addresses that the manifest no longer has.
//!
//! Neither calls the cloud. A move keeps the instance and what stood before it; its tags go on naming the address it was
//! bought for, which is why an entry of `moved` is also read backwards when a state was lost.

use super::depend::{BlockOutline, Shape};
use super::problems::Problems;
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::manifest::Manifest;
use crate::manifest::schema::Text;
use crate::model::{Address, Key};
use std::collections::{HashMap, HashSet};

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Moves, as written.
    pub moved: Vec<Moved>,
    /// Addresses, or whole blocks, to drop from the state.
    pub forget: Vec<(Address, Span)>,
    /// Index of the entry for each address that moves away.
    by_from: HashMap<Address, usize>,
    /// `forget`, to look addresses up in.
    by_address: HashMap<Address, Span>,
}

/// One entry of `moved`. A block's name on both sides moves all of its instances, their keys kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it stood.
    pub from: Address,
    /// Where it stands.
    pub to: Address,
    /// Where the entry is written.
    pub span: Span,
}

impl Moves {
    fn new(moved: Vec<Moved>, forget: Vec<(Address, Span)>) -> Self {
        let by_from = moved.iter().enumerate().map(|(at, moved)| (moved.from.clone(), at)).collect();
        let by_address = forget.iter().cloned().collect();
        Self { moved, forget, by_from, by_address }
    }

    /// Where the instance at `address` belongs, and the entry that says so; none if it stays.
    pub fn target(&self, address: &Address) -> Option<(Address, Span)> {
        let mut found: Option<(Address, Span)> = None;
        // Each entry is taken once at most, so this ends even where entries lead around.
        for _ in 0..self.moved.len() {
            let from = found.as_ref().map_or(address, |(address, _)| address);
            match self.step(from) {
                Some(next) => found = Some(next),
                None => break,
            }
        }
        found
    }

    fn step(&self, from: &Address) -> Option<(Address, Span)> {
        if let Some(at) = self.by_from.get(from) {
            let moved = self.moved.get(*at)?;
            return Some((moved.to.clone(), moved.span));
        }
        // A block's name on both sides: the key goes along.
        let at = self.by_from.get(&Address::single(&from.block))?;
        let moved = self.moved.get(*at).filter(|moved| moved.to.key == Key::Single)?;
        Some((Address { block: moved.to.block.clone(), key: from.key.clone() }, moved.span))
    }

    /// Whether the instance at `address` is to be let go, and where that is written.
    pub fn forgets(&self, address: &Address) -> Option<Span> {
        let whole_block = Address::single(&address.block);
        self.by_address.get(address).or_else(|| self.by_address.get(&whole_block)).copied()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.moved.is_empty() && self.forget.is_empty()
    }
}

/// Reads and checks them.
pub(super) fn decode(manifest: &Manifest, outlines: &[BlockOutline<'_>], problems: &mut Problems<'_>) -> Moves {
    if manifest.moved.is_empty() && manifest.forget.is_empty() {
        return Moves::default();
    }
    let shapes: HashMap<&str, Shape<'_>> =
        outlines.iter().map(|outline| (outline.name.value.as_str(), Shape::of(&outline.members))).collect();
    let mut entries: Vec<(Address, Address, &Text, &Text)> = Vec::new();
    for entry in &manifest.moved {
        if let (Some(from), Some(to)) = (address(&entry.from, problems), address(&entry.to, problems)) {
            entries.push((from, to, &entry.from, &entry.to));
        }
    }
    let forget: Vec<(Address, Span)> =
        manifest.forget.iter().filter_map(|text| Some((address(text, problems)?, text.span))).collect();
    let moving: HashSet<&Address> = entries.iter().map(|(from, ..)| from).collect();
    let mut froms: HashMap<&Address, Span> = HashMap::new();
    let mut tos: HashMap<&Address, Span> = HashMap::new();
    for (from, to, from_text, to_text) in &entries {
        let whole_block = from.key == Key::Single && to.key == Key::Single;
        refuse_twice(&mut froms, from, from_text.span, "moves away", problems);
        refuse_twice(&mut tos, to, to_text.span, "is moved to", problems);
        if from == to {
            problems.error("moved", to_text.span, format!("`{from}` cannot move to itself"));
        } else if is_wanted(&shapes, from) || (whole_block && shapes.contains_key(from.block.as_str())) {
            problems.push(
                Diagnostic::error("moved", format!("`{from}` is moved, and is still in the manifest"))
                    .at(from_text.span)
                    .detail("What stood there has gone to another address, so another one would be bought for it.")
                    .help("take it out of `instances`, or this entry out of `moved`"),
            );
        }
        let moves_on = moving.contains(to);
        let there = is_wanted(&shapes, to) || (whole_block && shapes.contains_key(to.block.as_str()));
        if from != to && !there && !moves_on {
            let diagnostic =
                Diagnostic::error("moved", format!("the manifest has no `{to}` to move `{from}` to")).at(to_text.span);
            problems.push(match did_you_mean(&to.block, shapes.keys().copied().filter(|name| *name != to.block)) {
                Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                None => diagnostic.help("write its block under `instances`, or remove this entry"),
            });
        }
    }
    refuse_cycles(&entries, problems);
    for (address, span) in &forget {
        if is_wanted(&shapes, address) || (address.key == Key::Single && shapes.contains_key(address.block.as_str())) {
            problems.push(
                Diagnostic::error("forget", format!("`{address}` is to be forgotten, and is still in the manifest"))
                    .at(*span)
                    .detail("It would be bought again.")
                    .help("take it out of `instances`, or out of `forget`"),
            );
        }
        if let Some(first) = froms.get(address) {
            problems.push(
                Diagnostic::error("forget", format!("`{address}` is moved and forgotten"))
                    .at(*span)
                    .label("this, or")
                    .related(*first, "this"),
            );
        }
    }
    let moved = entries.iter().map(|(from, to, text, _)| Moved { from: from.clone(), to: to.clone(), span: text.span });
    Moves::new(moved.collect(), forget)
}

fn address(text: &Text, problems: &mut Problems<'_>) -> Option<Address> {
    let parsed = text.value.parse().ok();
    if parsed.is_none() {
        problems.push(Diagnostic::error("address", format!("`{}` is not an address", text.value)).at(text.span).help(
            "an address is `db`, `\"web[0]\"` or `'edge[\"a\"]'`; a block's name stands for all of its instances",
        ));
    }
    parsed
}

fn is_wanted(shapes: &HashMap<&str, Shape<'_>>, address: &Address) -> bool {
    match (shapes.get(address.block.as_str()), &address.key) {
        (Some(Shape::Single), Key::Single) => true,
        (Some(Shape::Count(count)), Key::Index(index)) => index < count,
        (Some(Shape::Keys(keys)), Key::Name(name)) => keys.contains_key(name.as_str()),
        _ => false,
    }
}

fn refuse_twice<'a>(
    seen: &mut HashMap<&'a Address, Span>,
    address: &'a Address,
    span: Span,
    what: &str,
    problems: &mut Problems<'_>,
) {
    match seen.get(address) {
        None => drop(seen.insert(address, span)),
        Some(first) => problems.push(
            Diagnostic::error("moved-twice", format!("`{address}` {what} twice"))
                .at(span)
                .label("again here")
                .related(*first, "first here"),
        ),
    }
}

/// Moves that lead back to where they began.
fn refuse_cycles(entries: &[(Address, Address, &Text, &Text)], problems: &mut Problems<'_>) {
    let next: HashMap<&Address, (&Address, Span)> =
        entries.iter().map(|(from, to, text, _)| (from, (to, text.span))).collect();
    let mut done: HashSet<&Address> = HashSet::new();
    for (start, to, ..) in entries {
        if start == to {
            continue;
        }
        let mut path: Vec<(&Address, Span)> = Vec::new();
        let mut at = start;
        // Every address is passed once, so a long chain costs its length; where it ends on its own path is a cycle.
        while let Some((to, span)) = next.get(at).filter(|_| done.insert(at)) {
            path.push((at, *span));
            at = to;
        }
        let begins = path.iter().position(|(address, _)| *address == at);
        if let Some(path) = begins.map(|begins| &path[begins..]).filter(|path| path.len() > 1) {
            let start = path[0].0;
            let names: Vec<String> = path.iter().map(|(address, _)| address.to_string()).collect();
            let summary = format!("moves lead around: {} -> {start}", names.join(" -> "));
            let mut diagnostic = Diagnostic::error("moved-cycle", summary).at(path[0].1);
            for (address, span) in &path[1..] {
                diagnostic = diagnostic.related(*span, format!("`{address}` moves on"));
            }
            problems.push(diagnostic.help("remove one of these entries"));
        }
    }
}
