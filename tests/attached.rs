//! Data disks, snapshots and refusals that hang on instances which change: shown in the plan, and never touched unasked.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they skipped")]

mod common;

use common::{Folder, Sandbox};
use serde_json::Value;
use std::process::Stdio;

const SHOP: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  web: { zones: [ap-guangzhou-3], login: { key_ids: [lhkp-aaaa1111] } }
";

struct Scene {
    folder: Folder,
    sandbox: Sandbox,
}

impl Scene {
    /// A running instance with two data disks and a snapshot, made behind the API's back.
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(faults: &[&str]) -> Self {
        let folder = Folder::new();
        folder.write("lighthouse.yaml", SHOP);
        let sandbox = Sandbox::serve(&folder, &[&["--boot=0s"], faults].concat());
        let scene = Self { folder, sandbox };
        scene.run(&["apply", "--yes"], 0);
        scene.outside(r#"{"DataDisks": [{"DiskSize": 20}, {"DiskSize": 50}], "Snapshots": 1}"#);
        scene
    }

    fn run(&self, arguments: &[&str], code: i32) -> String {
        let mut command = self.folder.command(arguments, "run.log");
        let command = self.sandbox.tell(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().expect("it starts");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8")).concat();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        text
    }

    fn id(&self) -> String {
        let state: Value = serde_json::from_str(&self.folder.read("state/shop.json")).expect("JSON");
        state["instances"]["web"]["instance_id"].as_str().expect("an id").to_owned()
    }

    fn outside(&self, body: &str) {
        self.sandbox.outside("POST", &format!("/sandbox/instances/{}", self.id()), body);
    }

    /// When each data disk ends. None is isolated.
    fn disks(&self) -> Vec<[String; 2]> {
        let disks = self.sandbox.disks("ap-guangzhou");
        assert!(disks.iter().all(|[_, state, _]| state == "ATTACHED" || state == "UNATTACHED"), "{disks:?}");
        disks.into_iter().map(|[id, _, until]| [id, until]).collect()
    }

    fn manifest(&self, from: &str, to: &str) {
        let text = self.folder.read("lighthouse.yaml");
        assert!(text.contains(from), "{text}");
        self.folder.write("lighthouse.yaml", &text.replace(from, to));
    }
}

#[test]
fn disks_are_shown_and_kept_whatever_leaves() {
    let scene = Scene::start();
    let before = scene.disks();
    assert_eq!(before.len(), 2);
    let renewed = scene.run(&["renew", "web", "--period", "1", "--yes"], 0);
    assert!(renewed.contains("does not renew 2 attached data disks: lhdisk-"), "{renewed}");
    let plan = scene.run(&["plan", "--destroy", "--purge"], 0);
    assert!(plan.contains("does not destroy 2 attached data disks: lhdisk-"), "{plan}");
    assert!(plan.contains("(20 GB)") && plan.contains("(50 GB)") && plan.contains("deletes its 1 snapshot"), "{plan}");
    scene.manifest("ap-guangzhou-3", "ap-guangzhou-6");
    let plan = scene.run(&["plan", "--format", "markdown"], 0);
    assert!(plan.contains("does not destroy 2 attached data disks"), "{plan}");
    scene.run(&["apply", "--yes", "--allow-data-loss"], 0);
    scene.run(&["destroy", "--yes"], 0);
    assert_eq!(scene.disks(), before, "isolated or renewed");
}

#[test]
fn disks_that_nobody_may_list_are_not_known() {
    let scene = Scene::start_with(&["--fault=denied:DescribeDisks", "--fault=denied:DescribeSnapshots"]);
    for preflight in [&[][..], &["--no-preflight"]] {
        let plan = scene.run(&[&["plan", "--destroy", "--purge"], preflight].concat(), 0);
        assert!(plan.contains("attached data disks: not known"), "{plan}");
        assert!(plan.contains("number of snapshots that it deletes: not known"), "{plan}");
    }
}

#[test]
fn a_key_change_leaves_the_machine_running_and_a_template_needs_no_other_machine() {
    let scene = Scene::start();
    let id = scene.id();
    scene.manifest("lhkp-aaaa1111", "lhkp-bbbb2222");
    let plan = scene.run(&["plan"], 0);
    assert!(!plan.contains("shut down"), "{plan}");
    let log = scene.run(&["apply", "--yes", "--http-trace"], 0);
    assert!(log.contains("\"AssociateType\":\"ONLINE\""), "{log}");
    assert!(!log.contains("STOPPING") && !log.contains("X-TC-Action: StartInstances"), "{log}");
    scene.manifest("login:", "firewall_template_id: lhft-aaaa1111, login:");
    let plan = scene.run(&["plan"], 0);
    assert!(plan.contains("replaces all firewall rules") && plan.contains("0 to destroy"), "{plan}");
    scene.run(&["apply", "--yes"], 0);
    assert_eq!(scene.id(), id);
    assert!(scene.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
}

#[test]
fn what_the_service_announces_to_refuse_is_a_failed_check() {
    let scene = Scene::start();
    scene.outside(
        r#"{"DeniedActions": [{"Action": "IsolateInstances", "Code": "UnsupportedOperation.X", "Message": "not today"}]}"#,
    );
    let plan = scene.run(&["plan", "--destroy"], 8);
    assert!(plan.contains("error[denied]") && plan.contains("UnsupportedOperation.X: not today"), "{plan}");
    scene.run(&["destroy", "--yes"], 8);
    assert_eq!(scene.sandbox.counts("IsolateInstances").0, 0);
    // Not a change that the denial is about.
    scene.manifest("web: {", "web: { instance_name: other,");
    scene.run(&["apply", "--yes"], 0);
}
