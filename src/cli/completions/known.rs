//! What the manifest and the state of a line have, as far as they can be read.

use crate::cli::args::Global;
use crate::cli::load;
use crate::diag::Diagnostics;
use crate::manifest::node::Value;
use crate::manifest::{Sources, parse};
use crate::model::{Address, Key};
use clap_complete::engine::CompletionCandidate;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Most addresses that are offered at once; beyond it their blocks are.
const OFFERED_MAX: usize = 100;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Blocks and addresses of manifest and state.
    Part,
    /// Blocks and addresses of the state.
    RecordedPart,
    /// Addresses of the manifest.
    Wanted,
    /// Addresses of the state.
    Recorded,
    /// Addresses of the manifest at which nothing stands.
    Free,
    /// Outputs.
    Output,
}

/// What there is; read when it is asked for first.
#[derive(Default)]
pub(super) struct Known {
    global: OnceLock<Global>,
    found: OnceLock<Found>,
}

#[derive(Default)]
struct Found {
    wanted: BTreeSet<Address>,
    recorded: BTreeSet<Address>,
    outputs: BTreeSet<String>,
}

impl Known {
    /// Says whose manifest and state are meant.
    pub(super) fn belongs_to(&self, global: Global) {
        let _only_once = self.global.set(global);
    }

    /// What begins with `typed`.
    pub(super) fn candidates(&self, what: What, typed: &str) -> Vec<CompletionCandidate> {
        let found = self.found.get_or_init(|| self.global.get().map(Found::read).unwrap_or_default());
        let (addresses, with_blocks): (BTreeSet<&Address>, bool) = match what {
            What::Part => (found.wanted.union(&found.recorded).collect(), true),
            What::RecordedPart => (found.recorded.iter().collect(), true),
            What::Wanted => (found.wanted.iter().collect(), false),
            What::Recorded => (found.recorded.iter().collect(), false),
            What::Free => (found.wanted.difference(&found.recorded).collect(), false),
            What::Output => {
                let fitting = found.outputs.iter().filter(|name| name.starts_with(typed));
                return fitting.map(CompletionCandidate::new).collect();
            }
        };
        let blocks: BTreeSet<&str> =
            addresses.iter().filter(|one| one.key != Key::Single).map(|one| one.block.as_str()).collect();
        let mut offered: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        offered.retain(|address| address.starts_with(typed));
        if offered.len() > OFFERED_MAX && !typed.contains('[') {
            let single = addresses.iter().filter(|one| one.key == Key::Single).map(|one| one.block.clone());
            offered = single.filter(|name| name.starts_with(typed)).collect();
            offered.extend(blocks.iter().map(|block| format!("{block}[")).filter(|block| block.starts_with(typed)));
        }
        if with_blocks {
            offered.extend(blocks.iter().filter(|block| block.starts_with(typed)).map(|block| (*block).to_owned()));
        }
        // In the order of addresses: an index is a number.
        let place = |offered: &str| {
            (offered.split('[').next().map(str::to_owned), offered.ends_with('['), offered.parse::<Address>().ok())
        };
        offered.sort_by_cached_key(|offered| place(offered));
        let count = offered.len();
        let candidates = offered.into_iter().take(if count > OFFERED_MAX * 5 { OFFERED_MAX } else { count });
        candidates.enumerate().map(|(at, value)| CompletionCandidate::new(value).display_order(Some(at))).collect()
    }
}

impl Found {
    fn read(global: &Global) -> Self {
        let (desired, sources, _) = load::read(global);
        let mut found = Self::default();
        let stack = match desired {
            Some(desired) => {
                found.outputs = desired.outputs.into_keys().collect();
                found.wanted = desired.instances.into_keys().collect();
                Some(desired.stack.to_string())
            }
            // It is being written: what can be seen of it is better than nothing.
            None => found.glance(&sources),
        };
        if global.state.is_some() || stack.is_some() {
            let state =
                load::store(global, stack.as_deref().unwrap_or_default()).and_then(|store| store.load()).ok().flatten();
            if let Some(state) = state {
                found.outputs.extend(state.outputs.into_keys());
                found.recorded = state.instances.into_keys().collect();
            }
        }
        found
    }

    /// The blocks that texts have which are wrong as a whole, and the name of their stack.
    fn glance(&mut self, sources: &Sources) -> Option<String> {
        let mut stack = None;
        for id in sources.ids() {
            let Some(root) = parse::parse(sources.text(id), id, &mut Diagnostics::default()).root else { continue };
            if let Some(Value::Map(blocks)) = root.entry("instances").map(|entry| &entry.value.value) {
                self.wanted.extend(blocks.iter().map(|block| Address::single(block.key.text.clone())));
            }
            stack = stack.or_else(|| root.entry("stack")?.value.scalar().map(|scalar| scalar.text.clone()));
        }
        stack
    }
}
