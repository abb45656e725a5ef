//! The simulation, and the proof that it can fail.
//!
//! `LHPROV_SIM_SEED=N cargo test sim` replays one seed with its whole log; `LHPROV_SIM_SCHEDULES=100000` runs as many.

use super::runner::run_many;
use super::sabotage::{self, Sabotage};
use super::schedule::{Failure, run_schedule};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn show(failure: &Failure) -> String {
    format!(
        "{}\nseed {}; replay with: LHPROV_SIM_SEED={} cargo test --lib sim::tests::the_promises_hold\n{}",
        failure.what,
        failure.seed,
        failure.seed,
        failure.log.join("\n")
    )
}

#[test]
#[expect(clippy::print_stdout, reason = "how many schedules ran is what one runs more of them for")]
fn the_promises_hold() {
    if let Some(seed) = variable("LHPROV_SIM_SEED") {
        if let Err(failure) = run_schedule(seed, Sabotage::Sound) {
            panic!("{}", show(&failure));
        }
        return;
    }
    let schedules = variable("LHPROV_SIM_SCHEDULES").unwrap_or(2000);
    let first = variable("LHPROV_SIM_FIRST").unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match run_many(first, schedules, threads) {
        Ok(totals) => println!("from seed {first}: {totals:?}"),
        Err(failure) => panic!("{}", show(&failure)),
    }
}

/// The first seed at which a broken engine is found out.
fn found_out(broken: Sabotage) -> Option<u64> {
    sabotage::set(broken);
    let found = (1..3000).find(|seed| run_schedule(*seed, broken).is_err());
    sabotage::set(Sabotage::Sound);
    found
}

#[test]
fn a_disk_that_never_syncs_is_found_out() {
    assert!(found_out(Sabotage::NoSync).is_some());
}

#[test]
fn a_random_token_is_found_out() {
    assert!(found_out(Sabotage::RandomToken).is_some());
}

#[test]
fn a_blind_look_is_found_out() {
    assert!(found_out(Sabotage::BlindLook).is_some());
}

#[test]
fn an_ignored_predecessor_is_found_out() {
    assert!(found_out(Sabotage::NoPredecessor).is_some());
}

#[test]
fn a_refusal_taken_as_proof_is_found_out() {
    assert!(found_out(Sabotage::RefusalIsProof).is_some());
}

#[test]
fn unconfirmed_treated_as_confirmed_is_found_out() {
    assert!(found_out(Sabotage::UnconfirmedIsConfirmed).is_some());
}

#[test]
fn a_part_taken_for_nothing_is_found_out() {
    assert!(found_out(Sabotage::PartIsNothing).is_some());
}
