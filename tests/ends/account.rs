//! The account of every run, on every path to its end: what became of everything, with ids and request ids, and the command that
//! goes on; in text, and as the last event.

use crate::common::{Folder, Owned, Sandbox};
use crate::stage::{LONGEST, THREE, events, is_whole, place, start, until_bought};
use serde_json::Value;
use std::time::{Duration, Instant};

const EVENTS: &str = "events.ndjson";
const NEXT: &str = "lhprov apply --yes --events events.ndjson";

/// A finished run.
struct Run {
    code: i32,
    /// What it said, on both streams.
    text: String,
    events: Vec<Value>,
}

impl Run {
    fn of(folder: &Folder, mut apply: Owned) -> Self {
        let code = apply.code_within(LONGEST);
        let text = folder.read("apply.log");
        let code = code.unwrap_or_else(|| panic!("it hangs\n{text}"));
        Self { code, events: events(folder, EVENTS), text }
    }

    fn now(folder: &Folder, sandbox: &Sandbox) -> Self {
        let _ = std::fs::remove_file(folder.path().join("apply.log"));
        Self::of(folder, begin(folder, sandbox))
    }

    fn summary(&self) -> &Value {
        self.events.last().expect("an event")
    }

    /// The text in one line, however it was wrapped.
    fn flat(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The last word on each address: the open items, and those that were told before.
    fn items(&self) -> Vec<&Value> {
        let told = self.events.iter().filter(|event| event["type"] == "item");
        let open = self.summary()["open_items"].as_array().into_iter().flatten();
        let mut items: Vec<&Value> = Vec::new();
        for item in told.chain(open) {
            items.retain(|other| other["address"] != item["address"]);
            items.push(item);
        }
        items
    }

    /// The code, the same in the summary; these counts; and whether a command goes on.
    #[track_caller]
    fn ended(&self, code: i32, counts: &[(&str, u64)], goes_on: bool) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        let summary = self.summary();
        assert_eq!(summary["exit_code"], code, "{summary}");
        let expected: serde_json::Map<String, Value> =
            counts.iter().map(|(status, number)| ((*status).to_owned(), (*number).into())).collect();
        assert_eq!(summary["counts"], Value::Object(expected), "{summary}\n{}", self.text);
        let next = if goes_on { Value::from(NEXT) } else { Value::Null };
        assert_eq!(summary["next"], next, "{summary}");
        assert_eq!(self.flat().contains(&format!("To go on, run `{NEXT}` again.")), goes_on, "{}", self.text);
        self
    }

    /// Items of this status, in text and events.
    #[track_caller]
    fn with(&self, status: &str, heading: &str) -> Vec<&Value> {
        assert!(self.text.contains(heading), "{heading}\n{}", self.text);
        let items: Vec<&Value> = self.items().into_iter().filter(|item| item["status"] == status).collect();
        assert!(!items.is_empty(), "{status}: {:#?}", self.items());
        items
    }

    #[track_caller]
    fn stopped_by(&self, what: &str) -> &Self {
        assert!(self.summary()["error"].as_str().is_some_and(|error| error.contains(what)), "{}", self.summary());
        assert!(self.flat().contains(what), "{}", self.text);
        self
    }
}

fn begin(folder: &Folder, sandbox: &Sandbox) -> Owned {
    start(folder, sandbox, &["--events", EVENTS])
}

/// Each has its id, and the request id of the purchase that brought it, in the events and in the text.
#[track_caller]
fn have_ids(run: &Run, items: &[&Value], created: bool) {
    for item in items {
        let id = item["instance_id"].as_str().unwrap_or_else(|| panic!("no id: {item}"));
        assert!(run.text.contains(id), "{id}\n{}", run.text);
        assert_eq!(item["created"].as_bool().unwrap_or(false), created, "{item}");
    }
}

#[track_caller]
fn have_requests(run: &Run, items: &[&Value]) {
    for item in items {
        let request = item["request_id"].as_str().unwrap_or_else(|| panic!("no request id: {item}"));
        assert!(run.text.contains(&format!("request {request}")), "{request}\n{}", run.text);
    }
}

#[test]
fn success_and_nothing_to_do() {
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=100ms"]);
    let run = Run::now(&folder, &sandbox);
    let running = run.ended(0, &[("running", 3)], false).with("running", "Bought in this run:");
    have_ids(&run, &running, true);
    have_requests(&run, &running);
    assert!(run.events.iter().any(|event| event["type"] == "call" && event["request_id"].is_string()));
    let run = Run::now(&folder, &sandbox);
    run.ended(0, &[], false);
    assert!(run.text.contains("No changes. 3 instances are as the manifest wants them."), "{}", run.text);
}

const TWO: &str = "version: 1
stack: three
region: ap-guangzhou
defaults: { blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  a: { bundle_id: bundle_rs_nmc_lin_med2_01 }
  b: { bundle_id: bundle_rs_nmc_lin_med4_01 }
  c: { bundle_id: bundle_rs_nmc_lin_med2_01, depends_on: [a] }
";

/// Sold out, over quota, out of money: that ends the item, with what would help. What does not depend on it goes on.
#[test]
fn a_refusal_ends_its_item_and_independent_ones_go_on() {
    for (flags, code, help) in [
        (
            // The purchase of `a`, and the dry run that follows it: two were asked before, since `a` and `c` are alike.
            &["--fault=sold-out:CreateInstances:at=1", "--fault=sold-out:DryRun:at=3"][..],
            "ResourcesSoldOut.BundleSoldOut",
            &["another zone", "lhprov catalog bundles"],
        ),
        (
            // Without the permissions for what would have told it before.
            &["--quota=1", "--fault=denied:DescribeGeneralResourceQuotas", "--fault=denied:DryRun:n=2"],
            "LimitExceeded.InstanceQuotaLimitExceeded",
            &["higher quota in the console", "bundle types"],
        ),
    ] {
        let folder = place(TWO);
        let sandbox = Sandbox::serve(&folder, &[&["--boot=100ms"], flags].concat());
        let run = Run::now(&folder, &sandbox);
        let failed = run.with("failed", "Failed:");
        have_requests(&run, &failed);
        assert!(run.flat().contains(code) && run.flat().contains("help: "), "{}", run.text);
        for part in help {
            assert!(run.flat().contains(part), "{part}\n{}", run.text);
        }
        let (running, told) = match run.code {
            6 => (run.with("running", "Running:"), run.summary()["counts"].clone()),
            code => panic!("exit {code}\n{}", run.text),
        };
        have_ids(&run, &running, true);
        if code.contains("SoldOut") {
            run.ended(6, &[("failed", 1), ("not_started", 1), ("running", 1)], false);
            assert!(run.flat().contains("depends on a, which is not there"), "{}", run.text);
        } else {
            // Each type of bundle has a quota of its own or shares one; somebody came through in any case.
            assert!(told["running"].as_u64() >= Some(1), "{told}");
        }
        let sandbox = sandbox.serve_again(&folder, &["--quota=100"]);
        Run::now(&folder, &sandbox);
        is_whole(&folder, &sandbox, 3);
    }
}

#[test]
fn when_everything_is_refused_nothing_happened() {
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--balance=1.00", "--fault=denied:DryRun:n=1"]);
    let run = Run::now(&folder, &sandbox);
    let failed = run.ended(1, &[("failed", 1), ("not_started", 2)], false).with("failed", "Failed:");
    have_requests(&run, &failed);
    run.with("not_started", "Not started:");
    assert!(run.flat().contains("help: The balance of the account does not cover the purchase."), "{}", run.text);
}

#[cfg(unix)]
#[test]
fn interrupted_while_it_buys_and_while_it_boots() {
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=100ms", "--fault=delay=40s:CreateInstances:at=1"]);
    let apply = begin(&folder, &sandbox);
    until_bought(&sandbox, 1);
    apply.signal("INT");
    let run = Run::of(&folder, apply);
    run.ended(130, &[("not_started", 2), ("unknown", 1)], true).with("unknown", "Unknown, the next apply settles it:");

    // Settled by the next run, which then buys the rest; the account has both.
    let sandbox = sandbox.serve_again(&folder, &["--boot=100ms"]);
    let run = Run::now(&folder, &sandbox);
    run.ended(0, &[("running", 3)], false);
    let (bought, found): (Vec<&Value>, Vec<&Value>) =
        run.with("running", "Running:").into_iter().partition(|item| item["created"] == true);
    assert_eq!((bought.len(), found.len()), (2, 1));
    have_ids(&run, &found, false);
    have_ids(&run, &bought, true);
    have_requests(&run, &bought);

    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=20s"]);
    let apply = begin(&folder, &sandbox);
    let until = Instant::now() + LONGEST;
    while !folder.read("state/three.json.journal").contains("\"assigned\"") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    apply.signal("INT");
    let run = Run::of(&folder, apply);
    let pending = run.ended(130, &[("not_started", 2), ("pending", 1)], true).with("pending", "Still pending:");
    have_ids(&run, &pending, true);
    have_requests(&run, &pending);
}

/// Settling is all there is to do: what was settled is told as anything else.
#[test]
fn settling_alone_gives_account() {
    let one = "version: 1\nstack: three\nregion: ap-guangzhou\ninstances:\n  db: { bundle_id: bundle_rs_nmc_lin_med2_01, \
               blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }\n";
    let folder = place(one);
    let sandbox = Sandbox::serve(&folder, &["--boot=100ms", "--fault=delay=40s:CreateInstances:at=1"]);
    let mut killed = begin(&folder, &sandbox);
    until_bought(&sandbox, 1);
    killed.kill().expect("killed");
    killed.wait().expect("it ends");
    let sandbox = sandbox.serve_again(&folder, &["--boot=100ms"]);
    let run = Run::now(&folder, &sandbox);
    let running = run.ended(0, &[("running", 1)], false).with("running", "Running:");
    have_ids(&run, &running, false);
    assert!(run.text.ends_with("Applied: 1 running.\n") && !run.text.contains("Bought in this run"), "{}", run.text);
    is_whole(&folder, &sandbox, 1);
}

/// After settling, the plan may not be carried out: the refusal is told, and so is what was settled.
#[test]
fn settled_and_then_refused() {
    let protected = THREE.replace("db: {}", "db: { protect: true }");
    let folder = place(&protected);
    let sandbox = Sandbox::serve(&folder, &["--boot=100ms", "--fault=delay=40s:CreateInstances:at=1"]);
    let mut killed = begin(&folder, &sandbox);
    until_bought(&sandbox, 1);
    killed.kill().expect("killed");
    killed.wait().expect("it ends");
    let sandbox = sandbox.serve_again(&folder, &["--boot=100ms"]);
    folder.write(
        "lighthouse.yaml",
        &protected.replace("  db: { protect: true }\n", "").replace(", depends_on: [db]", ""),
    );
    let run = Run::now(&folder, &sandbox);
    let running = run.ended(6, &[("running", 3)], false).with("running", "Running:");
    // What the manifest still wants was bought while settling, and what it wants no more was found.
    let (bought, found): (Vec<&Value>, Vec<&Value>) = running.into_iter().partition(|item| item["created"] == true);
    have_ids(&run, &bought, true);
    have_ids(&run, &found, false);
    assert_eq!((bought.len(), found.len()), (2, 1));
    run.stopped_by("protect");
    // And again: nothing to settle any more, so the refusal has its own code.
    let run = Run::now(&folder, &sandbox);
    run.ended(7, &[], false).stopped_by("protect");
    assert!(run.flat().contains("Nothing was changed."), "{}", run.text);
}

/// The network goes while it works: after settling, and while it waits for what it bought.
#[test]
fn the_network_goes() {
    let impatient = format!("{THREE}  late: {{ timeouts: {{ create: 3s }} }}\n");
    let folder = place(&impatient.replace("db: {}", "db: { timeouts: { create: 3s } }"));
    let sandbox = Sandbox::serve(&folder, &["--boot=30s"]);
    let apply = begin(&folder, &sandbox);
    let until = Instant::now() + LONGEST;
    while folder.read("state/three.json.journal").matches("\"assigned\"").count() < 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let url = sandbox.url.clone();
    drop(sandbox);
    let run = Run::of(&folder, apply);
    run.ended(6, &[("not_started", 2), ("pending", 2)], true);
    let pending = run.with("pending", "Still pending:");
    have_ids(&run, &pending, true);
    have_requests(&run, &pending);

    // Gone from the beginning.
    let folder = place(THREE);
    let mut command = folder.command(&["apply", "--yes", "--events", EVENTS], "apply.log");
    command.env("LHPROV_ENDPOINT", url).env("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    let run = Run::of(&folder, Owned::start(command.env("TENCENTCLOUD_SECRET_KEY", "not-a-real-key")));
    run.ended(1, &[], true).stopped_by("no connection to");
    assert!(run.flat().contains("Nothing was changed."), "{}", run.text);
}

#[test]
fn locked_damaged_and_declined() {
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=5s"]);
    let mut first = start(&folder, &sandbox, &[]);
    until_bought(&sandbox, 1);
    let run = Run::now(&folder, &sandbox);
    run.ended(4, &[], true).stopped_by(&format!("pid {}", first.id()));
    assert!(run.flat().contains("Nothing was changed."), "{}", run.text);
    first.kill().expect("killed");
    first.wait().expect("it ends");

    let journal = folder.read("state/three.json.journal");
    folder.write("state/three.json.journal", &journal.replacen("lhbp-", "lhpb-", 1));
    let run = Run::now(&folder, &sandbox);
    run.ended(1, &[], false).stopped_by("is damaged at line 2");
    assert!(run.flat().contains("nothing was changed"), "{}", run.text);
    folder.write("state/three.json.journal", &journal);

    let mut command = folder.command(&["apply", "--events", EVENTS], "apply.log");
    let run = Run::of(&folder, Owned::start(sandbox.tell(&mut command)));
    assert_eq!((run.code, &run.summary()["exit_code"], &run.summary()["next"]), (9, &9.into(), &Value::Null));
    assert!(run.summary()["error"].is_string(), "{}", run.summary());
}

/// For programs: the same account as one document.
#[test]
fn the_account_as_a_document() {
    let folder = place(THREE);
    let sandbox = Sandbox::serve(
        &folder,
        &["--boot=100ms", "--fault=sold-out:CreateInstances:at=2", "--fault=sold-out:DryRun:at=2"],
    );
    let code = Owned::start(sandbox.tell(&mut folder.command(&["apply", "--yes", "--json"], "account.json")))
        .code_within(LONGEST);
    assert_eq!(code, Some(6));
    let text = folder.read("account.json");
    let document = text.lines().find(|line| line.starts_with('{')).expect("a document");
    let document: Value = serde_json::from_str(document).expect("JSON");
    // Sold out: the same command would meet that again.
    assert_eq!(document["next"], Value::Null);
    assert_eq!(document["exit_code"], 6);
    for item in document["items"].as_array().expect("items") {
        assert!(item["request_id"].is_string(), "{item}");
        assert_eq!(item["status"] == "running", item["created"] == true, "{item}");
    }
}
