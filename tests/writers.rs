//! Several real commands at once: with states of their own, where only token and look keep them from buying twice; and with
//! one state, where the lock does.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests tell what they did and what they skipped")]

mod common;

use common::{Folder, Owned, Sandbox, recorded};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Writers at once.
const WRITERS: usize = 20;

const LIMIT: Duration = Duration::from_secs(90);

const CHINA: &str = "version: 1
stack: shared
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: { count: 2, instance_name: \"db-${count.index}\" }
  web: { count: 3, instance_name: \"web-${count.index}\", depends_on: [db] }
  job: { count: 33, instance_name: job, bundle_id: bundle_rs_nmc_lin_med4_01 }
";

const INTERNATIONAL: &str = "version: 1
stack: shared
site: international
region: ap-singapore
defaults: { bundle_id: bundle_linux_int_gen_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 }, zones: [ap-singapore-1] }
instances:
  db: { count: 2, instance_name: \"db-${count.index}\" }
  web: { count: 3, instance_name: \"web-${count.index}\", depends_on: [db] }
  job: { count: 33, instance_name: \"job-${count.index}\" }
";

/// A sandbox and those who apply to it.
struct Crowd {
    folder: Folder,
    sandbox: Sandbox,
    region: &'static str,
}

impl Crowd {
    fn new(manifest: &str, site: &str, region: &'static str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        folder.write("lighthouse.yaml", manifest);
        folder.write("box/settings.json", &format!("{{\"site\": \"{site}\"}}"));
        let sandbox = Sandbox::serve(&folder, &[&["--boot=1s", "--latency=20ms"], flags].concat());
        Self { folder, sandbox, region }
    }

    fn log(&self, writer: usize) -> String {
        self.folder.read(&format!("writer-{writer}.log"))
    }

    fn apply(&self, writer: usize) -> Owned {
        let state = format!("writer-{writer}/state.json");
        // Without tags an instance is known by its name, and taking it over wants a word.
        let arguments = ["apply", "--yes", "--adopt", "--state", &state];
        let mut command = self.folder.command(&arguments, &format!("writer-{writer}.log"));
        Owned::start(self.sandbox.tell(&mut command))
    }

    /// All apply at once. Whatever each makes of it, one set is bought.
    fn all_at_once(&self) -> Vec<i32> {
        let processes: Vec<Owned> = (0..WRITERS).map(|writer| self.apply(writer)).collect();
        let mut codes = Vec::new();
        for (writer, mut process) in processes.into_iter().enumerate() {
            let code = process.code_within(LIMIT);
            let code = code.unwrap_or_else(|| panic!("writer {writer} hangs\n{}", self.log(writer)));
            assert!(matches!(code, 0 | 1 | 6 | 7), "writer {writer}: exit {code}\n{}", self.log(writer));
            assert!(!self.log(writer).contains("panicked"), "writer {writer}\n{}", self.log(writer));
            codes.push(code);
        }
        self.one_set();
        let done = codes.iter().filter(|code| **code == 0).count();
        let asked = self.sandbox.counts("CreateInstances").0;
        println!("{}: {done} of {WRITERS} done at once; {asked} purchases asked for", self.region);
        codes
    }

    fn one_set(&self) {
        let bought = self.sandbox.instances(self.region);
        assert_eq!(bought.len(), 38, "{bought:#?}");
    }

    /// Who has not come to its end does so with one more apply; then all have recorded the same.
    fn all_agree(&self, codes: &[i32]) {
        let mut first: Option<BTreeMap<String, String>> = None;
        for (writer, code) in codes.iter().enumerate() {
            if *code != 0 {
                assert_eq!(self.apply(writer).code_within(LIMIT), Some(0), "writer {writer}\n{}", self.log(writer));
            }
            let recorded = recorded(&self.folder.path().join(format!("writer-{writer}/state.json")));
            assert_eq!(*first.get_or_insert_with(|| recorded.clone()), recorded, "writer {writer} and the first");
        }
        let recorded = first.expect("a writer");
        let bought = self.sandbox.instances(self.region);
        let ids: BTreeSet<&String> = recorded.values().collect();
        assert_eq!(ids, bought.keys().collect());
        self.one_set();
    }
}

#[test]
fn twenty_writers_without_a_common_lock_buy_one_set() {
    let crowd = Crowd::new(CHINA, "china", "ap-guangzhou", &[]);
    let codes = crowd.all_at_once();
    crowd.all_agree(&codes);
}

#[test]
fn twenty_writers_on_the_international_site_buy_one_set() {
    // Each of them sets the names: 760 calls at ten a second, which have nothing to do with what is bought.
    let flags = ["--rate=ModifyInstancesAttribute=0"];
    let crowd = Crowd::new(INTERNATIONAL, "international", "ap-singapore", &flags);
    let codes = crowd.all_at_once();
    crowd.all_agree(&codes);
}

#[test]
fn without_tags_and_with_one_name_for_many_they_buy_one_set() {
    // A batch of several names shares one of them with another: who sees both in part may stop and ask.
    let alike = INTERNATIONAL.replace("job-${count.index}", "job");
    let flags = ["--rate=ModifyInstancesAttribute=0"];
    Crowd::new(&alike, "international", "ap-singapore", &flags).all_at_once();
}

#[test]
fn one_state_has_one_writer_at_a_time() {
    let folder = Folder::new();
    folder.write("lighthouse.yaml", CHINA);
    let sandbox = Sandbox::serve(&folder, &["--boot=3s"]);
    let apply = |more: &[&str], log: &str| {
        Owned::start(sandbox.tell(&mut folder.command(&[&["apply", "--yes"], more].concat(), log)))
    };
    let mut first = apply(&[], "first.log");
    let until = Instant::now() + LIMIT;
    while sandbox.counts("CreateInstances").0 == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut patient = apply(&["--lock-timeout", "20s"], "patient.log");
    assert_eq!(apply(&[], "second.log").code_within(LIMIT), Some(4), "{}", folder.read("second.log"));
    let said = folder.read("second.log");
    let holder = format!("pid {}", first.id());
    assert!(said.contains(&holder) && said.contains("apply --yes"), "{holder}: {said}");
    let mut plan = Owned::start(sandbox.tell(&mut folder.command(&["plan"], "plan.log")));
    assert_eq!(plan.code_within(LIMIT), Some(4), "{}", folder.read("plan.log"));
    assert_eq!(first.code_within(LIMIT), Some(0), "{}", folder.read("first.log"));
    assert_eq!(patient.code_within(LIMIT), Some(0), "{}", folder.read("patient.log"));
    assert!(folder.read("patient.log").contains("No changes. 38 instances"), "{}", folder.read("patient.log"));
    assert_eq!(sandbox.instances("ap-guangzhou").len(), 38);
}
