//! A small fleet, the sandbox that sells it, and what must be true in the end.

use crate::common::{Folder, Owned, Sandbox, recorded};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// No apply of these tests takes longer.
pub const LONGEST: Duration = Duration::from_secs(60);

pub const THREE: &str = "version: 1
stack: three
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  web: { count: 2, depends_on: [db] }
";

/// A folder with a manifest.
pub fn place(manifest: &str) -> Folder {
    let folder = Folder::new();
    folder.write("lighthouse.yaml", manifest);
    folder
}

/// Starts `apply --yes` and `more`; its output goes to `apply.log`.
pub fn start(folder: &Folder, sandbox: &Sandbox, more: &[&str]) -> Owned {
    let arguments = [&["apply", "--yes"], more].concat();
    Owned::start(sandbox.tell(&mut folder.command(&arguments, "apply.log")))
}

/// Waits until the service was asked for the `number`th purchase.
pub fn until_bought(sandbox: &Sandbox, number: u64) {
    let until = Instant::now() + LONGEST;
    while sandbox.counts("CreateInstances").0 < number {
        assert!(Instant::now() < until, "nothing is bought");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One more apply comes to its end by itself; then the account has `wanted` instances, and the state the same ones.
#[track_caller]
pub fn settles(folder: &Folder, sandbox: &Sandbox, wanted: usize) {
    let code = start(folder, sandbox, &[]).code_within(LONGEST);
    assert_eq!(code, Some(0), "{}", folder.read("apply.log"));
    is_whole(folder, sandbox, wanted);
}

/// What was bought is what is wanted, and every id is in the state.
#[track_caller]
pub fn is_whole(folder: &Folder, sandbox: &Sandbox, wanted: usize) {
    let bought = sandbox.instances("ap-guangzhou");
    let recorded = recorded(&folder.path().join("state/three.json"));
    assert_eq!(bought.len(), wanted, "{bought:#?}\n{}", folder.read("apply.log"));
    assert_eq!(recorded.values().collect::<BTreeSet<_>>(), bought.keys().collect());
    assert!(!folder.path().join("state/three.json.journal").exists(), "the journal is left");
    assert!(!folder.read("apply.log").contains("panicked"), "{}", folder.read("apply.log"));
}

/// The events of a run; checks their numbers, and that the last and only the last is the summary.
#[track_caller]
pub fn events(folder: &Folder, name: &str) -> Vec<Value> {
    let text = folder.read(name);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], number, "{event}");
        assert_eq!(event["type"] == "summary", number + 1 == events.len(), "{text}");
    }
    assert!(!events.is_empty());
    events
}
