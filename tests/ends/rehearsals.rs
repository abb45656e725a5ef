//! Each bad day that the sandbox can make, as a user rehearses it: `apply --sandbox --fault …`, then plain applies until one
//! comes to its end.

use crate::common::{Folder, Owned, recorded_and_left_over};
use crate::stage::{LONGEST, THREE, place};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Applies after which a rehearsal counts as one that never ends.
const APPLIES_MAX: usize = 5;

struct Rehearsal {
    flags: &'static [&'static str],
    /// The kind that must have fired.
    fires: Option<&'static str>,
    /// The code of the first apply.
    code: &'static [i32],
}

const fn day(flags: &'static [&'static str], fires: Option<&'static str>, code: &'static [i32]) -> Rehearsal {
    Rehearsal { flags, fires, code }
}

const DONE: &[i32] = &[0];

/// Every kind of fault and every setting that the service does not document.
const DAYS: &[Rehearsal] = &[
    // A lost answer, before and after the effect.
    day(&["--fault=lost-before:CreateInstances:at=1"], Some("lost-before"), DONE),
    day(&["--fault=lost-after:CreateInstances:n=2"], Some("lost-after"), DONE),
    day(&["--fault=lost-after:*:0.2", "--seed=3"], Some("lost-after"), &[0, 1, 6]),
    // 5xx before and after.
    day(&["--fault=status-before:CreateInstances:at=1"], Some("status-before"), DONE),
    day(&["--fault=status-after:CreateInstances:at=1"], Some("status-after"), DONE),
    day(&["--fault=internal-before:CreateInstances:at=1"], Some("internal-before"), DONE),
    day(&["--fault=internal-after:CreateInstances:at=1"], Some("internal-after"), DONE),
    // The connection ends at any byte.
    day(&["--fault=cut=0:CreateInstances:at=1"], Some("cut=0"), DONE),
    day(&["--fault=cut=150:CreateInstances:at=1"], Some("cut=150"), DONE),
    day(&["--fault=cut=any:*:0.2", "--seed=5"], Some("cut=any"), &[0, 1, 6]),
    // Late, but not too late. Later than anybody waits is tested under virtual time.
    day(&["--fault=delay=1500ms:CreateInstances"], Some("delay=1500ms"), DONE),
    // Bursts.
    day(&["--fault=throttle:*:n=4"], Some("throttle"), DONE),
    day(&["--rate=CreateInstances=1", "--rate=DescribeInstances=2"], None, DONE),
    // Stock and quota.
    day(&["--fault=sold-out:CreateInstances"], Some("sold-out"), &[8]),
    day(&["--fault=sold-out:CreateInstances", "--no-preflight"], Some("sold-out"), &[1, 6]),
    day(&["--fault=denied:DryRun"], Some("denied"), DONE),
    // A dry run says that it is back, or that the token is what is refused.
    day(&["--fault=sold-out:CreateInstances:at=1"], Some("sold-out"), DONE),
    day(&["--fault=refuse-token:CreateInstances:at=1"], Some("refuse-token"), DONE),
    day(&["--quota=1"], None, &[8]),
    day(&["--quota=1", "--no-preflight"], None, &[6]),
    day(&["--balance=1.00"], None, &[8]),
    day(&["--balance=1.00", "--no-preflight"], None, &[1]),
    // Machines that never launch, and batches in part.
    day(&["--fault=launch-failed:CreateInstances:at=2"], Some("launch-failed"), &[6]),
    day(&["--launch-failed=0.5", "--seed=2"], None, &[0, 6]),
    day(&["--fault=partial=1:CreateInstances"], Some("partial=1"), DONE),
    // New ids are not listed at once.
    day(&["--visibility-delay=2s"], None, DONE),
    day(&["--visibility-delay=2s", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    // Token memory.
    day(&["--token-memory=forever", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    day(&["--token-memory=2s", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    day(&["--token-memory=none", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    // What a known token with other parameters does.
    day(&["--mismatch=replay", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    day(&["--mismatch=error", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    day(&["--mismatch=buy", "--fault=lost-after:CreateInstances:at=1"], Some("lost-after"), DONE),
    day(&["--check-order=quota-first", "--fault=lost-after:CreateInstances:n=2"], Some("lost-after"), DONE),
    // Names of batches.
    day(&["--batch-names=same"], None, DONE),
    day(&["--batch-names=suffix"], None, DONE),
    day(&["--batch-names=dash", "--rename-while-pending"], None, DONE),
];

/// Names of their own, so that who is who has to be found out.
fn manifest() -> String {
    THREE.replace("count: 2", "count: 2, instance_name: \"web-${count.index}\"")
}

fn apply(folder: &Folder, flags: &[&str]) -> i32 {
    let arguments = [&["apply", "--sandbox=box", "--state", "state/three.json", "--yes"], flags].concat();
    let code = Owned::start(&mut folder.command(&arguments, "apply.log")).code_within(LONGEST);
    code.unwrap_or_else(|| panic!("{flags:?} hangs\n{}", folder.read("apply.log")))
}

fn status(folder: &Folder) -> Value {
    let arguments = ["sandbox", "status", "--data", "box", "--json"];
    let _ = std::fs::remove_file(folder.path().join("status.json"));
    let code = Owned::start(&mut folder.command(&arguments, "status.json")).code_within(LONGEST);
    assert_eq!(code, Some(0));
    serde_json::from_str(&folder.read("status.json")).expect("JSON")
}

fn rehearse(day: &Rehearsal) {
    let (folder, flags) = (place(&manifest()), day.flags);
    let first = apply(&folder, &[&["--boot=300ms"], flags].concat());
    let log = || folder.read("apply.log");
    assert!(day.code.contains(&first), "{flags:?}: exit {first}\n{}", log());
    if let Some(kind) = day.fires {
        let fired = status(&folder)["faults"][kind].as_u64();
        assert!(fired > Some(0), "{flags:?}: {kind} did not fire\n{:#}", status(&folder));
    }
    // The settings stay in the folder; what stood in the way is taken out of it.
    let plain = ["--quota=100", "--balance=100000.00", "--launch-failed=0"];
    let mut codes = vec![first];
    while codes.last() != Some(&0) {
        assert!(codes.len() < APPLIES_MAX, "{flags:?}: {codes:?}\n{}", log());
        codes.push(apply(&folder, &plain));
    }
    assert!(!log().contains("panicked"), "{flags:?}\n{}", log());
    let (recorded, left_over) = recorded_and_left_over(&folder.path().join("state/three.json"));
    let ids: BTreeSet<&String> = recorded.values().collect();
    assert_eq!((recorded.len(), ids.len()), (3, 3), "{flags:?} {codes:?}\n{}", log());
    // What did not launch is not taken back, and stays on record; everything else runs.
    let instances = status(&folder)["instances"].clone();
    assert_eq!(instances["RUNNING"], 3, "{flags:?} {codes:?}: {instances}\n{}", log());
    let failed = instances["LAUNCH_FAILED"].as_u64().unwrap_or(0);
    assert_eq!(left_over.len() as u64, failed, "{flags:?} {codes:?}: {instances}\n{}", log());
    assert!(failed == 0 || flags.iter().any(|flag| flag.contains("launch-failed")), "{flags:?}: {instances}");
    let mut plan =
        folder.command(&["plan", "--sandbox=box", "--state", "state/three.json", "--detailed-exitcode"], "plan.log");
    assert_eq!(Owned::start(&mut plan).code_within(LONGEST), Some(0), "{flags:?}\n{}", folder.read("plan.log"));
}

#[test]
fn every_bad_day_ends_well() {
    let next = Mutex::new(DAYS.iter());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(day) = next.lock().expect("no test panics here").next() else { return };
                    rehearse(day);
                }
            });
        }
    });
}

/// The same faults from a file, which may be kept beside the manifest.
#[test]
fn a_bad_day_from_a_file() {
    let folder = place(&manifest());
    folder.write(
        "bad-day.yaml",
        "- lost-after:CreateInstances:at=1\n- {kind: throttle, action: DescribeInstances, n: 2}\n- {kind: cut=any, action: CreateInstances, at: 2}\n",
    );
    assert_eq!(apply(&folder, &["--boot=300ms", "--fault-file=bad-day.yaml"]), 0, "{}", folder.read("apply.log"));
    let faults = status(&folder)["faults"].clone();
    assert_eq!((&faults["lost-after"], &faults["throttle"]), (&1.into(), &2.into()), "{faults}");
    for (text, parts) in [
        ("- gone:*\n", ["bad-day.yaml", "there is no kind `gone`"]),
        ("a: b\n", ["bad-day.yaml", "must be a list"]),
        ("- throttle:*\n- {kind: throttle, p: 1, n: 2}\n", ["entry 2", "only one may be given"]),
    ] {
        folder.write("bad-day.yaml", text);
        assert_eq!(apply(&folder, &["--fault-file=bad-day.yaml"]), 64, "{text}");
        let log = folder.read("apply.log").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(parts.iter().all(|part| log.contains(part)), "{parts:?}: {log}");
    }
    assert_eq!(apply(&folder, &["--fault-file=nowhere.yaml"]), 64);
}

/// What a user is told there is.
#[test]
fn the_help_names_every_kind_and_every_switch() {
    let folder = place(THREE);
    for command in [&["sandbox", "serve", "--help"][..], &["apply", "--help"]] {
        let _ = std::fs::remove_file(folder.path().join("help.txt"));
        assert_eq!(Owned::start(&mut folder.command(command, "help.txt")).code_within(LONGEST), Some(0));
        let help = folder.read("help.txt");
        for word in [
            "lost-before",
            "lost-after",
            "status-before",
            "status-after",
            "internal-before",
            "internal-after",
            "cut=BYTES",
            "cut=any",
            "delay=TIME",
            "throttle",
            "sold-out",
            "launch-failed",
            "partial=COUNT",
            "--fault-file",
            "--token-memory",
            "--mismatch",
            "--check-order",
            "--batch-names",
            "--visibility-delay",
            "--quota",
            "--seed",
        ] {
            assert!(help.contains(word), "{word} is not in the help of {command:?}\n{help}");
        }
    }
}
