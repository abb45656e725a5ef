//! Whose journal is it: what another stack's apply left behind is never carried out.

use super::chance::Chance;
use super::executor::VirtualClock;
use super::sabotage::{self, Sabotage};
use super::stage::{EFFECTS_MAX, LARGE, SMALL, Stage};
use super::world::World;
use super::writer::Writer;
use crate::desired::{DesiredState, load_sources};
use crate::manifest::{Given, Sources};
use crate::model::Timestamp;
use crate::ops::OpsError;
use crate::sandbox::settings::Settings;
use crate::state::StateError;

fn manifest(stack: &str, block: &str, bundle: &str) -> DesiredState {
    let text = format!(
        "version: 1\nstack: {stack}\nregion: ap-guangzhou\ninstances:\n  {block}:\n    count: 3\n    \
         bundle_id: {bundle}\n    blueprint_id: lhbp-f1lkcd41\n    charge: {{ period: 1 }}\n"
    );
    let sources = Sources::from_texts([("lighthouse.yaml", text.as_str())]);
    let (desired, _, diagnostics) = load_sources(sources, &Given::default(), &|_: &str| None);
    desired.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}"))
}

/// The first apply of one stack dies at an effect and leaves a journal and no state; then another stack is applied there.
/// Returns how many instances of the first stack that cost, unless the second apply was refused for the journal.
fn foreign_apply(dies: u64) -> usize {
    let world = World::new(
        Settings { boot_ms: 2000, ..Settings::default() },
        dies,
        VirtualClock::new(Timestamp::from_secs(1_800_000_000)),
        Sabotage::Sound,
    );
    let mut stage = Stage { world, writer: Writer::new(Sabotage::Sound, 0), chance: Chance::new(dies) };
    drop(stage.apply(&manifest("shop", "web", SMALL), Some(dies)));
    let kept = stage.writer.disk.keep();
    if kept.contains_key(&stage.writer.state_path()) || !kept.contains_key(&stage.writer.journal_path()) {
        return 0;
    }
    stage.world.clock.advance(std::time::Duration::from_secs(60));
    let before = stage.live();
    let ended = stage.try_apply(&manifest("store", "db", LARGE));
    match ended {
        Some(Err(OpsError::State(StateError::ForeignJournal { what: "stack", recorded, asked, .. }))) => {
            assert_eq!((recorded.as_str(), asked.as_str()), ("shop", "store"));
            assert_eq!(stage.live(), before, "nothing is carried out");
            assert_eq!(stage.writer.disk.keep(), kept, "nothing is written");
            0
        }
        _ => before.difference(&stage.live()).count(),
    }
}

#[test]
fn a_journal_of_another_stack_is_refused_where_there_is_no_state() {
    for dies in 0..EFFECTS_MAX {
        assert_eq!(foreign_apply(dies), 0, "dies at {dies}");
    }
}

#[test]
fn a_foreign_journal_that_is_replayed_is_found_out() {
    sabotage::set(Sabotage::ForeignJournal);
    let lost = (0..EFFECTS_MAX).map(foreign_apply).max();
    sabotage::set(Sabotage::Sound);
    assert!(lost > Some(0), "{lost:?}");
}
