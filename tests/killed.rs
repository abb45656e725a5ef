//! The real command against a served sandbox in bad weather, killed at any moment, until it comes to its end by itself.
//!
//! `LHPROV_KILLS=1000` asks for more kills, `LHPROV_SEED=7` for other moments. Where a round fails, its folder with the
//! logs stays, and the seed is told.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they did and what they skipped")]

mod common;

use common::{Folder, Owned, Sandbox, recorded_and_left_over, recorded_names};
use lhprov::sim::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Kills in all, unless `LHPROV_KILLS` says otherwise.
const KILLS: u64 = 100;

/// Rounds at the same time. Most of a round is waiting.
const AT_ONCE: u64 = 4;

/// Applies after which a round counts as one that never comes to its end.
const APPLIES_MAX: u64 = 60;

/// No apply of a round takes longer.
const APPLY_MAX: Duration = Duration::from_secs(60);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// What a round is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Purchases come whole, and every machine launches.
    Whole,
    /// Some purchases bring fewer instances than asked for.
    Partial,
    /// Some machines never launch.
    LaunchFailed,
    /// No tags: an instance is known by its name.
    ByName,
}

impl Kind {
    /// Rounds take turns.
    fn of(seed: u64) -> Self {
        match seed % 6 {
            0 => Kind::Partial,
            1 => Kind::LaunchFailed,
            2 => Kind::ByName,
            _ => Kind::Whole,
        }
    }

    /// Faults that such a round has besides.
    fn faults(self) -> &'static [&'static str] {
        match self {
            Kind::Whole | Kind::ByName => &[],
            Kind::Partial => &["--fault=partial=1:CreateInstances:0.4"],
            Kind::LaunchFailed => &["--fault=launch-failed:CreateInstances:0.3"],
        }
    }

    /// Whether it may stop and ask: a batch that came in part and whose answer died with the process, or names that decide
    /// nothing. Nothing may be bought twice then either, and every id has to be named.
    fn may_ask(self) -> bool {
        matches!(self, Kind::Partial | Kind::ByName)
    }

    /// What an apply says besides.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Kind::Whole | Kind::LaunchFailed => &[],
            // What is missing from a batch is waited for that long.
            Kind::Partial => &["--visibility-grace=2s"],
            Kind::ByName => &["--adopt", "--visibility-grace=2s"],
        }
    }
}

/// Three blocks, one of which waits for another, eight to twelve instances with names of their own.
fn manifest(chance: &mut Chance, kind: Kind) -> (String, usize) {
    let (db, web) = (1 + chance.below(2), 2 + chance.below(3));
    let job = 5 + chance.below(2);
    let own = chance.percent(75);
    let name = |block: &str| if own { format!("instance_name: \"{block}-${{count.index}}\", ") } else { String::new() };
    let text = format!(
        "version: 1
stack: killed
region: ap-guangzhou
{ownership}defaults: {{ bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: {{ period: 1 }} }}
instances:
  db: {{ {db_name}count: {db} }}
  web: {{ {web_name}count: {web}, depends_on: [db] }}
  job: {{ {job_name}count: {job}, bundle_id: bundle_rs_nmc_lin_med4_01 }}
",
        ownership = if kind == Kind::ByName { "ownership: name\n" } else { "" },
        db_name = name("db"),
        web_name = name("web"),
        job_name = name("job"),
    );
    (text, (db + web + job) as usize)
}

/// The weather and the service of a round.
fn weather(chance: &mut Chance) -> Vec<String> {
    let mut flags = vec![
        format!("--boot={}ms", chance.pick(&[200, 500, 900])),
        format!("--latency={}ms", chance.pick(&[0, 5, 40])),
        format!("--batch-names={}", chance.pick(&["same", "suffix", "dash"])),
        format!("--rename-while-pending={}", chance.percent(50)),
        format!("--visibility-delay={}ms", chance.pick(&[0, 0, 300])),
        format!("--check-order={}", chance.pick(&["token-first", "quota-first"])),
        format!("--mismatch={}", chance.pick(&["replay", "error"])),
        format!("--seed={}", chance.below(1_000_000)),
    ];
    for fault in [
        "lost-after:CreateInstances:0.3",
        "lost-before:CreateInstances:0.1",
        "internal-after:CreateInstances:0.15",
        "cut=40:CreateInstances:0.1",
        "status-after:CreateInstances:0.1",
        "delay=300ms:CreateInstances:0.3",
        "throttle:*:0.05",
        "lost-after:DescribeInstances:0.05",
        "lost-after:ModifyInstancesAttribute:0.2",
        "internal-before:ModifyInstancesAttribute:0.1",
    ] {
        if chance.percent(70) {
            flags.push(format!("--fault={fault}"));
        }
    }
    flags
}

/// When the next kill comes: any moment, the first ones more often.
fn moment(chance: &mut Chance) -> Duration {
    let limit = chance.pick(&[150, 400, 800, 1500]);
    Duration::from_millis(chance.below(limit))
}

/// Runs that stop and ask, one after the other, until that counts as the end.
const ASKS_MAX: u64 = 3;

/// How often an apply of the round has stopped and asked.
fn questions(folder: &Folder) -> usize {
    folder.read("apply.log").matches("Unclear, stopped before buying:").count()
}

/// One fleet, applied and killed until an apply comes to its end. Gives the kills, and whether it ended with a question.
fn round(seed: u64) -> (u64, bool) {
    let mut chance = Chance::new(seed);
    let folder = Folder::new();
    let kind = Kind::of(seed);
    let (text, wanted) = manifest(&mut chance, kind);
    folder.write("lighthouse.yaml", &text);
    let flags = weather(&mut chance);
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(kind.faults().iter().copied()).collect();
    folder.write("round.txt", &format!("seed {seed}, {kind:?}\n{flags:#?}\n"));
    let arguments = [&["apply", "--yes"], kind.arguments()].concat();
    let mut sandbox = Sandbox::serve(&folder, &flags);
    let state = folder.path().join("state/killed.json");
    let (mut kills, mut asks) = (0, 0);
    let mut done = false;
    for number in 0..APPLIES_MAX {
        let mut apply = Owned::start(sandbox.tell(&mut folder.command(&arguments, "apply.log")));
        let before = questions(&folder);
        // Towards the end of a long round nobody kills any more, so that it ends.
        let limit = if number < APPLIES_MAX - 8 { moment(&mut chance) } else { APPLY_MAX };
        match apply.code_within(limit) {
            None => {
                assert!(limit < APPLY_MAX, "seed {seed}: the apply does not come to its end");
                apply.kill().expect("killed");
                apply.wait().expect("it ends");
                kills += 1;
            }
            Some(0) => {
                done = true;
                break;
            }
            Some(6 | 7) if kind.may_ask() && questions(&folder) > before => {
                asks += 1;
                if asks == ASKS_MAX {
                    break;
                }
                continue;
            }
            // Something is open still, or a read failed five times.
            Some(1 | 6) => {}
            Some(code) => panic!("seed {seed}: exit {code}\n{}", folder.read("apply.log")),
        }
        if chance.percent(5) {
            // The service dies as well, now and then.
            sandbox = sandbox.serve_again(&folder, &flags);
        }
    }
    let log = folder.read("apply.log");
    assert!(done || asks == ASKS_MAX, "seed {seed}: never done\n{log}");
    assert!(!log.contains("panicked"), "seed {seed}\n{log}");
    let sandbox = sandbox.serve_again(&folder, &[]);
    let bought = sandbox.instances("ap-guangzhou");
    if !done {
        assert!(bought.len() <= wanted, "seed {seed}: {bought:#?}\n{log}");
        let state = folder.read("state/killed.json") + &folder.read("state/killed.json.journal");
        for id in bought.keys() {
            assert!(state.contains(id) || log.contains(id), "seed {seed}: nobody knows {id}\n{log}");
        }
        return (kills, true);
    }
    let (recorded, left_over) = recorded_and_left_over(&state);
    // What did not launch is not taken back, and stays on record.
    let launched: BTreeMap<_, _> = bought.clone().into_iter().filter(|(id, _)| !left_over.contains(id)).collect();
    assert!(left_over.iter().all(|id| bought[id].1 == "LAUNCH_FAILED"), "seed {seed}: {left_over:?} {bought:#?}");
    assert!(left_over.is_empty() || kind == Kind::LaunchFailed, "seed {seed}: {left_over:?}");
    let bought = launched;
    assert_eq!(bought.len(), wanted, "seed {seed}: {bought:#?}\n{log}");
    let ids: BTreeSet<&String> = recorded.values().collect();
    assert_eq!(recorded.len(), wanted, "seed {seed}");
    assert_eq!(ids, bought.keys().collect(), "seed {seed}");
    for (id, name) in recorded_names(&state) {
        assert_eq!(bought[&id], (name, "RUNNING".to_owned()), "seed {seed}: {id}");
    }
    assert!(!state.with_extension("journal").exists(), "seed {seed}: the journal is left");
    let plan = [&["plan", "--detailed-exitcode"][..], kind.arguments()].concat();
    let plan: Vec<&str> = plan.into_iter().filter(|argument| *argument != "--adopt").collect();
    let mut plan = Owned::start(sandbox.tell(&mut folder.command(&plan, "plan.log")));
    assert_eq!(plan.code_within(APPLY_MAX), Some(0), "seed {seed}\n{}", folder.read("plan.log"));
    (kills, false)
}

#[test]
fn killed_at_any_moment_it_buys_what_is_wanted_once() {
    let (wanted, first) = (number("LHPROV_KILLS", KILLS), number("LHPROV_SEED", 1));
    let (kills, rounds, asked) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while kills.load(Ordering::Relaxed) < wanted {
                    let seed = first + rounds.fetch_add(1, Ordering::Relaxed);
                    let (killed, asks) = round(seed);
                    kills.fetch_add(killed, Ordering::Relaxed);
                    asked.fetch_add(u64::from(asks), Ordering::Relaxed);
                }
            });
        }
    });
    let (kills, rounds) = (kills.into_inner(), rounds.into_inner());
    let asked = asked.into_inner();
    println!(
        "{kills} kills in {rounds} rounds from seed {first}, {asked} ended with a question, {:.1?}",
        began.elapsed()
    );
    assert!(kills >= wanted);
}

#[cfg(unix)]
mod signals {
    use super::*;
    use common::recorded;

    /// From the first signal to the end.
    const LIMIT: Duration = Duration::from_secs(6);

    const THREE: &str = "version: 1
stack: killed
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  web: { count: 2, depends_on: [db] }
";

    fn place() -> Folder {
        let folder = Folder::new();
        folder.write("lighthouse.yaml", THREE);
        folder
    }

    /// Signals an apply and gives its code and the time from the first signal to its end.
    fn signalled(apply: &mut Owned, names: &[&str]) -> (Option<i32>, Duration) {
        let began = Instant::now();
        for (number, name) in names.iter().enumerate() {
            if number > 0 {
                std::thread::sleep(Duration::from_millis(300));
            }
            apply.signal(name);
        }
        let code = apply.code_within(LIMIT);
        (code, began.elapsed())
    }

    /// The account has three instances and the state the same ones, after at most one more apply.
    fn settles(folder: &Folder, sandbox: &Sandbox) {
        let mut apply = Owned::start(sandbox.tell(&mut folder.command(&["apply", "--yes"], "apply.log")));
        assert_eq!(apply.code_within(APPLY_MAX), Some(0), "{}", folder.read("apply.log"));
        let bought = sandbox.instances("ap-guangzhou");
        let recorded = recorded(&folder.path().join("state/killed.json"));
        assert_eq!(bought.len(), 3, "{bought:#?}");
        assert_eq!(recorded.values().collect::<BTreeSet<_>>(), bought.keys().collect());
        assert!(!folder.path().join("state/killed.json.journal").exists());
    }

    #[test]
    fn a_call_in_flight_gets_five_seconds_and_no_more() {
        std::thread::scope(|scope| {
            for (names, code, at_most) in [
                (&["TERM"][..], 143, LIMIT),
                (&["INT"], 130, LIMIT),
                (&["HUP"], 129, LIMIT),
                (&["INT", "INT"], 130, Duration::from_secs(2)),
                (&["TERM", "INT"], 143, Duration::from_secs(2)),
            ] {
                scope.spawn(move || {
                    let folder = place();
                    // The purchase is made, and its answer takes longer than anybody waits.
                    let sandbox = Sandbox::serve(&folder, &["--boot=100ms", "--fault=delay=40s:CreateInstances:at=1"]);
                    let mut apply = Owned::start(sandbox.tell(&mut folder.command(&["apply", "--yes"], "apply.log")));
                    let until = Instant::now() + Duration::from_secs(30);
                    while sandbox.counts("CreateInstances").0 == 0 && Instant::now() < until {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    let (ended, after) = signalled(&mut apply, names);
                    let log = folder.read("apply.log");
                    assert_eq!(ended, Some(code), "{names:?}\n{log}");
                    assert!(after <= at_most, "{names:?}: {after:?}");
                    assert!(log.contains("run `lhprov apply --yes` again"), "{names:?}\n{log}");
                    // Saved, though nothing is certain yet; what is open is in the journal.
                    assert!(recorded(&folder.path().join("state/killed.json")).is_empty());
                    assert!(folder.read("state/killed.json.journal").contains("\"attempt\""), "{names:?}");
                    settles(&folder, &sandbox);
                });
            }
        });
    }

    #[test]
    fn at_any_moment_a_signal_ends_it_and_the_next_apply_settles() {
        let first = number("LHPROV_SEED", 1);
        std::thread::scope(|scope| {
            for seed in first..first + 4 {
                scope.spawn(move || {
                    let mut chance = Chance::new(seed);
                    for _ in 0..3 {
                        let folder = place();
                        let sandbox = Sandbox::serve(
                            &folder,
                            &["--boot=500ms", "--latency=30ms", "--fault=lost-after:CreateInstances:0.3"],
                        );
                        let (name, code) = chance.pick(&[("TERM", 143), ("INT", 130), ("HUP", 129)]);
                        let mut apply =
                            Owned::start(sandbox.tell(&mut folder.command(&["apply", "--yes"], "apply.log")));
                        let ended = apply.code_within(Duration::from_millis(chance.below(1000)));
                        let log = || folder.read("apply.log");
                        if ended.is_none() {
                            let (ended, after) = signalled(&mut apply, &[name]);
                            // It may have come to its end a moment before.
                            assert!(ended == Some(code) || ended == Some(0), "seed {seed}: {ended:?}\n{}", log());
                            assert!(after <= LIMIT, "seed {seed}: {after:?}");
                        }
                        settles(&folder, &sandbox);
                    }
                });
            }
        });
    }
}
