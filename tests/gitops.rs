//! `examples/gitops`: the scripts of its workflow, run in a real repository against the served sandbox.
//!
//! What stands in for GitHub is small: a folder with a bare repository, comments, issues and kept plans, and a `gh` that
//! writes into it and notes how it was called. Expressions are looked up in a table; the scripts have none.

#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "tests tell what they skipped")]

mod common;

use common::{Folder, Owned, Sandbox};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// No step takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// What `gh` is here. `HUB` is the folder.
const GH: &str = r#"#!/bin/bash
set -eu
printf '%q ' "$@" >>"$HUB/calls"
echo >>"$HUB/calls"
body() { for word; do case $word in body=@*) cat "${word#body=@}" ;; esac; done; }
after() { local wanted=$1; shift; while [ $# -gt 0 ]; do [ "$1" = "$wanted" ] && echo "$2"; shift; done; }
case "$1 $2 $*" in
  "api --paginate"*"/comments --jq"*)
    for file in "$HUB"/comments/*; do
      if [ -f "$file" ] && [ "$(head -n 1 "$file")" = "$MARKER" ]; then basename "$file"; fi
    done ;;
  "api --method"*POST*/comments*) body "$@" >"$HUB/comments/$(($(ls "$HUB/comments" | wc -l) + 1))" ;;
  "api --method"*PATCH*/comments/*) body "$@" >"$HUB/comments/${4##*/}" ;;
  "api repos/"*"/pulls"*) name=${2%/pulls}; cat "$HUB/pulls/${name##*/}" 2>/dev/null || true ;;
  "run list"*) head=$(after --commit "$@"); if [ -d "$HUB/plans/$head" ]; then echo "$head"; fi ;;
  "run download"*) folder=$(after --dir "$@"); mkdir -p "$folder"; cp "$HUB/plans/$3/plan.json" "$folder/" ;;
  "label create"*) ;;
  "issue list"*) ls "$HUB/issues" ;;
  "issue create"*) cp "$(after --body-file "$@")" "$HUB/issues/1" ;;
  "issue edit"*) cp "$(after --body-file "$@")" "$HUB/issues/$3" ;;
  "issue close"*) rm "$HUB/issues/$3" ;;
  *) echo "gh: not known here: $*" >&2; exit 1 ;;
esac
"#;

fn story() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops")
}

fn workflow() -> serde_yaml::Value {
    let text = std::fs::read_to_string(story().join(".github/workflows/lighthouse.yaml")).expect("the workflow");
    serde_yaml::from_str(&text).expect("YAML")
}

/// A step as the runner sees it.
#[derive(Clone, Debug)]
struct Step {
    name: String,
    uses: String,
    run: String,
    condition: String,
    variables: BTreeMap<String, String>,
}

fn jobs() -> Vec<String> {
    let workflow = workflow();
    workflow["jobs"].as_mapping().expect("jobs").keys().map(|name| name.as_str().expect("text").to_owned()).collect()
}

fn variables(of: &serde_yaml::Value) -> Vec<(String, String)> {
    let text = |value: &serde_yaml::Value| value.as_str().expect("text").to_owned();
    of["env"].as_mapping().into_iter().flatten().map(|(name, value)| (text(name), text(value))).collect()
}

fn steps(job: &str) -> Vec<Step> {
    let workflow = workflow();
    let outer = [variables(&workflow), variables(&workflow["jobs"][job])].concat();
    let text = |step: &serde_yaml::Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = workflow["jobs"][job]["steps"].as_sequence().unwrap_or_else(|| panic!("no job {job}"));
    steps
        .iter()
        .map(|step| Step {
            name: text(step, "name"),
            uses: text(step, "uses"),
            run: text(step, "run"),
            condition: text(step, "if"),
            variables: [outer.clone(), variables(step)].concat().into_iter().collect(),
        })
        .collect()
}

/// GitHub, the cloud, and everybody's clones.
struct Scene {
    folder: Folder,
    sandbox: Sandbox,
}

/// What started a run.
#[derive(Clone, Debug)]
enum Event {
    PullRequest { branch: &'static str },
    Push,
    ByHand,
    Schedule,
}

/// A machine for one job.
struct Runner<'a> {
    scene: &'a Scene,
    event: Event,
    workspace: PathBuf,
    temp: PathBuf,
    outputs: PathBuf,
}

impl Scene {
    fn new(flags: &[&str]) -> Self {
        let folder = Folder::new();
        let sandbox = Sandbox::serve(&folder, flags);
        let scene = Self { folder, sandbox };
        for name in ["bin", "home", "hub/comments", "hub/issues", "hub/plans", "hub/pulls"] {
            std::fs::create_dir_all(scene.path(name)).expect("a folder");
        }
        std::fs::write(scene.path("bin/gh"), GH).expect("gh");
        std::fs::set_permissions(scene.path("bin/gh"), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        symlink(env!("CARGO_BIN_EXE_lhprov"), scene.path("bin/lhprov")).expect("lhprov");
        scene.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
        scene.git(".", &["clone", "--quiet", "origin.git", "desk"]);
        scene.git("desk", &["checkout", "--quiet", "-B", "main"]);
        let from = story();
        for name in ["lighthouse.yaml", ".gitignore", "README.md", ".github/workflows/lighthouse.yaml"] {
            let to = scene.path("desk").join(name);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            std::fs::copy(from.join(name), to).expect("copied");
        }
        scene.commit("a fleet");
        scene.git("desk", &["push", "--quiet", "origin", "main"]);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn clean(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn git(&self, at: &str, arguments: &[&str]) -> String {
        let who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"];
        let mut command = self.clean("git");
        let output = command.args(who).args(arguments).current_dir(self.path(at)).output().expect("git");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Commits everything at the desk.
    fn commit(&self, message: &str) {
        self.git("desk", &["add", "--all"]);
        self.git("desk", &["commit", "--quiet", "--message", message]);
    }

    /// Opens a pull request that replaces something in the manifest.
    fn propose(&self, branch: &'static str, from: &str, to: &str) {
        self.git("desk", &["fetch", "--quiet"]);
        self.git("desk", &["checkout", "--quiet", "-B", branch, "origin/main"]);
        let manifest = self.folder.read("desk/lighthouse.yaml");
        assert!(manifest.contains(from), "{manifest}");
        self.folder.write("desk/lighthouse.yaml", &manifest.replace(from, to));
        self.commit(branch);
        self.git("desk", &["push", "--quiet", "--force", "origin", branch]);
    }

    /// Merges a pull request.
    fn merge(&self, branch: &str) {
        let head = self.git("desk", &["rev-parse", branch]);
        self.git("desk", &["fetch", "--quiet"]);
        self.git("desk", &["checkout", "--quiet", "-B", "main", "origin/main"]);
        self.git("desk", &["merge", "--quiet", "--no-ff", "--message", "merged", branch]);
        self.git("desk", &["push", "--quiet", "origin", "main"]);
        let merged = self.git("desk", &["rev-parse", "main"]);
        self.folder.write(&format!("hub/pulls/{merged}"), &format!("{head}\n"));
    }

    /// Plans a pull request as its workflow does.
    #[track_caller]
    fn plan(&self, branch: &'static str) -> String {
        let event = Event::PullRequest { branch };
        self.runner(&event).job("check", 0);
        self.runner(&event).job("plan", 0)
    }

    /// A new machine, with a clone of what the event is about.
    fn runner(&self, event: &Event) -> Runner<'_> {
        let number = (0..).find(|number| !self.path(&format!("run{number}")).exists()).expect("a number");
        let at = self.path(&format!("run{number}"));
        let (workspace, temp) = (at.join("workspace"), at.join("temp"));
        std::fs::create_dir_all(&temp).expect("a folder");
        let branch = match event {
            Event::PullRequest { branch } => branch,
            _ => "main",
        };
        let to = workspace.to_str().expect("UTF-8");
        self.git(".", &["clone", "--quiet", "--branch", branch, "origin.git", to]);
        Runner { scene: self, event: event.clone(), workspace, temp, outputs: at.join("outputs") }
    }

    fn on_main(&self, path: &str) -> String {
        self.git("origin.git", &["show", &format!("main:{path}")])
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.on_main("state/shop.json")).expect("a state")
    }

    fn recorded(&self) -> BTreeSet<String> {
        let state = self.state();
        let records = state["instances"].as_object().expect("instances").values();
        records.map(|record| record["instance_id"].as_str().expect("an id").to_owned()).collect()
    }

    /// All that was ever bought.
    fn bought(&self) -> BTreeSet<String> {
        self.sandbox.instances("ap-guangzhou").into_keys().collect()
    }

    fn calls(&self, of: &str) -> usize {
        self.folder.read("hub/calls").lines().filter(|line| line.starts_with(of)).count()
    }
}

impl Runner<'_> {
    /// What an expression says here. One that is not known is a mistake of the test or of the workflow.
    fn value(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${{") {
            let (expression, after) = behind.split_once("}}").expect("an end");
            out.push_str(before);
            out.push_str(&match expression.trim() {
                "github.repository" => "example/fleet".to_owned(),
                "github.token" => "not-a-token".to_owned(),
                "github.event.pull_request.number" => "12".to_owned(),
                "github.sha" => self.scene.git("desk", &["rev-parse", "origin/main"]),
                "github.run_id" => "77".to_owned(),
                "github.run_attempt" => "1".to_owned(),
                "secrets.TENCENTCLOUD_SECRET_ID" => lhprov::sandbox::verify::SECRET_ID.to_owned(),
                "secrets.TENCENTCLOUD_SECRET_KEY" => lhprov::sandbox::verify::SECRET_KEY.to_owned(),
                "inputs.allow_data_loss" | "inputs.accept_no_refund" => match self.event {
                    Event::ByHand => "false".to_owned(),
                    _ => String::new(),
                },
                "steps.compare.outputs.code" => self.output("code"),
                other => panic!("an expression that the test does not know: {other}"),
            });
            rest = after;
        }
        out + rest
    }

    fn output(&self, name: &str) -> String {
        let written = std::fs::read_to_string(&self.outputs).unwrap_or_default();
        written.lines().filter_map(|line| line.split_once('=')).rfind(|(own, _)| *own == name).expect(name).1.to_owned()
    }

    fn command(&self, step: &Step) -> Command {
        let scene = self.scene;
        let script = self.temp.join("script.sh");
        std::fs::write(&script, &step.run).expect("written");
        let mut command = scene.clean("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(script).current_dir(&self.workspace);
        command.env("HUB", scene.path("hub")).env("RUNNER_TEMP", &self.temp).env("CI", "true");
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", &self.workspace);
        command.env("GITHUB_OUTPUT", &self.outputs).env("GITHUB_STEP_SUMMARY", self.temp.join("summary.md"));
        command.env("LHPROV_ENDPOINT", &scene.sandbox.url).env("LHPROV_METADATA_URL", "http://127.0.0.1:9");
        command.envs(step.variables.iter().map(|(name, value)| (name, self.value(value))));
        command
    }

    fn step(&self, step: &Step) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(step).output().expect("bash");
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        (status.code().unwrap_or(-1), format!("--- {}\n{said}", step.name))
    }

    /// Runs a step by its name.
    #[track_caller]
    fn named(&self, job: &str, name: &str, code: i32) -> String {
        let step = steps(job).into_iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}"));
        let (ended, said) = self.step(&step);
        assert_eq!(ended, code, "{said}");
        said
    }

    /// Runs a job as the runner does: after a failure only what wants to run always.
    #[track_caller]
    fn job(&self, job: &str, code: i32) -> String {
        let (mut ended, mut log) = (0, String::new());
        for step in steps(job) {
            let runs = match step.condition.as_str() {
                "" => ended == 0,
                "always()" | "${{ !cancelled() }}" => true,
                "github.event_name == 'push'" => ended == 0 && matches!(self.event, Event::Push),
                other => panic!("a condition that the test does not know: {other}"),
            };
            if !runs {
                continue;
            }
            match step.uses.split('@').next().unwrap_or_default() {
                "" => {
                    let (of_step, said) = self.step(&step);
                    log.push_str(&said);
                    ended = if ended == 0 { of_step } else { ended };
                }
                "actions/checkout" | "actions/cache" => {}
                "actions/upload-artifact" => {
                    let head = self.scene.git(self.workspace.to_str().expect("UTF-8"), &["rev-parse", "HEAD"]);
                    let kept = self.scene.path("hub/plans").join(head);
                    std::fs::create_dir_all(&kept).expect("a folder");
                    std::fs::copy(self.temp.join("plan.json"), kept.join("plan.json")).expect("a plan to keep");
                }
                other => panic!("an action that the test does not know: {other}"),
            }
        }
        assert_eq!(ended, code, "{log}");
        log
    }

    /// Runs a step and kills all of it when so many purchases went out.
    fn killed(&self, job: &str, name: &str, purchases: u64) {
        let step = steps(job).into_iter().find(|step| step.name == name).expect("the step");
        let mut running =
            Owned::start(self.command(&step).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0));
        let until = Instant::now() + LIMIT;
        while self.scene.sandbox.counts("CreateInstances").0 < purchases {
            assert!(Instant::now() < until && running.code_within(Duration::ZERO).is_none(), "nothing was bought");
            std::thread::sleep(Duration::from_millis(10));
        }
        let group = format!("-{}", running.id());
        assert!(Command::new("kill").args(["-s", "KILL", "--", &group]).status().expect("kill").success());
        assert_ne!(running.code_within(LIMIT), Some(0));
    }
}

#[test]
fn every_script_is_a_script() {
    let mut scripts = 0;
    let folder = Folder::new();
    let has_shellcheck = common::require::has_program("shellcheck");
    for job in jobs() {
        for step in steps(&job).iter().filter(|step| !step.run.is_empty()) {
            assert!(!step.run.contains("${{"), "{job}, {}: an expression in a script", step.name);
            folder.write("script.sh", &step.run);
            let script = folder.path().join("script.sh");
            let checked = Command::new("bash").arg("-n").arg(&script).output().expect("bash");
            assert!(checked.status.success(), "{job}, {}: {checked:?}", step.name);
            if has_shellcheck {
                let checked = Command::new("shellcheck").args(["--shell", "bash"]).arg(&script).output().expect("it");
                assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
            }
            scripts += 1;
        }
    }
    assert!(scripts >= 10, "{scripts}");
}

#[test]
fn no_job_may_do_more_than_it_does() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"].as_mapping().map(serde_yaml::Mapping::len), Some(0));
    let may = |job: &str| -> Vec<String> {
        let permissions = workflow["jobs"][job]["permissions"].as_mapping().expect("permissions");
        let text = |value: &serde_yaml::Value| value.as_str().expect("text").to_owned();
        permissions.iter().map(|(what, how)| format!("{}: {}", text(what), text(how))).collect()
    };
    assert_eq!(may("check"), ["contents: read"]);
    assert_eq!(may("plan"), ["contents: read", "pull-requests: write"]);
    assert_eq!(may("apply"), ["contents: write", "actions: read", "pull-requests: read"]);
    assert_eq!(may("drift"), ["contents: read", "issues: write"]);
    let queue = &workflow["jobs"]["apply"]["concurrency"];
    assert_eq!(queue["cancel-in-progress"].as_bool(), Some(false));
    assert!(!queue["group"].as_str().expect("a group").contains("${{"), "one apply at a time, whatever started it");
    for job in jobs() {
        let secret = |step: &Step| step.variables.values().any(|value| value.contains("secrets."));
        let with_secrets: Vec<String> = steps(&job).into_iter().filter(secret).map(|step| step.name).collect();
        let expected: &[&str] = match job.as_str() {
            "plan" => &["Plan"],
            "apply" => &["Apply"],
            "drift" => &["Compare"],
            _ => &[],
        };
        assert_eq!(with_secrets, expected, "{job}");
    }
}

#[test]
fn the_version_is_installed_that_the_workflow_names() {
    let scene = Scene::new(&[]);
    // Not there: it is built, from that commit.
    std::fs::remove_file(scene.path("bin/lhprov")).expect("removed");
    let cargo = "#!/bin/bash\necho \"$@\" >\"$HUB/cargo\"\nprintf '#!/bin/bash\\necho lhprov' >\"${0%/*}/lhprov\"\nchmod +x \"${0%/*}/lhprov\"\n";
    std::fs::write(scene.path("bin/cargo"), cargo).expect("cargo");
    std::fs::set_permissions(scene.path("bin/cargo"), std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let scripts: BTreeSet<String> = jobs()
        .iter()
        .flat_map(|job| steps(job))
        .filter(|step| step.name == "Install lhprov")
        .map(|step| step.run)
        .collect();
    assert_eq!((scripts.len(), jobs().len()), (1, 4), "every job has the same");
    scene.runner(&Event::Push).named("apply", "Install lhprov", 0);
    let asked = scene.folder.read("hub/cargo");
    assert!(asked.starts_with("install --locked --git https://github.com/OWNER/lhprov --rev 0000000"), "{asked}");
}

#[test]
fn from_a_pull_request_to_running_machines() {
    let scene = Scene::new(&["--boot", "200ms"]);
    scene.propose("begin", "# A database", "# The database");
    let said = scene.plan("begin");
    assert!(said.contains("::notice::There are changes"), "{said}");
    let comment = scene.folder.read("hub/comments/1");
    assert!(comment.starts_with("<!-- lhprov:plan stack=shop -->\n"), "{comment}");
    assert!(comment.contains("3 to add, 0 to change, 0 to destroy"), "{comment}");
    // Pushed to again: the same comment, another text.
    scene.propose("begin", "count: 2", "count: 3");
    scene.plan("begin");
    assert_eq!((scene.calls("api --method POST"), scene.calls("api --method PATCH")), (1, 1));
    let comment = scene.folder.read("hub/comments/1");
    assert!(comment.contains("4 to add, 0 to change, 0 to destroy"), "{comment}");
    assert!(scene.bought().is_empty());

    scene.merge("begin");
    let apply = scene.runner(&Event::Push);
    let said = apply.job("apply", 0);
    assert!(said.contains("is what may be done.") && said.contains("Applied: 4 running."), "{said}");
    let summary = std::fs::read_to_string(apply.temp.join("summary.md")).expect("a summary");
    assert!(summary.contains("<!-- lhprov:apply stack=shop -->"), "{summary}");
    assert_eq!((scene.bought().len(), scene.recorded()), (4, scene.bought()));
    let files = scene.git("origin.git", &["ls-tree", "-r", "--name-only", "main", "state"]);
    // Nothing is open, so there is no journal. The mark beside the state recognises the plan if the job runs again.
    assert_eq!(files, "state/shop.json\nstate/shop.json.begun");
    let history = scene.git("origin.git", &["log", "--format=%an: %s", "-1", "main"]);
    assert_eq!(history, "github-actions[bot]: state: run 77-1");

    // Nothing to do: no commit.
    let before = scene.git("origin.git", &["rev-parse", "main"]);
    let said = scene.runner(&Event::ByHand).job("apply", 0);
    assert!(said.contains("No changes. 4 instances") && said.contains("The state is as it was."), "{said}");
    assert_eq!(scene.git("origin.git", &["rev-parse", "main"]), before);

    // A mistake is told where the change is read.
    scene.propose("wrong", "count: 3", "count: 11");
    scene.runner(&Event::PullRequest { branch: "wrong" }).job("plan", 7);
    assert!(scene.folder.read("hub/comments/1").contains("max_instances"), "{}", scene.folder.read("hub/comments/1"));
    assert_eq!(scene.bought().len(), 4);
}

#[test]
fn only_what_was_reviewed_is_done() {
    let scene = Scene::new(&["--boot", "200ms"]);
    scene.propose("first", "# A database", "# The database");
    scene.plan("first");
    // Another change gets in between, which nobody saw in this plan.
    scene.propose("second", "count: 2", "count: 4");
    scene.merge("second");
    scene.merge("first");
    let said = scene.runner(&Event::Push).job("apply", 5);
    assert!(said.contains("::error::What is to be done is not what was reviewed."), "{said}");
    assert!(scene.bought().is_empty());
    // By hand it is planned anew.
    scene.runner(&Event::ByHand).job("apply", 0);
    assert_eq!((scene.bought().len(), scene.recorded()), (5, scene.bought()));
}

#[test]
fn a_process_that_is_killed_leaves_its_state_to_the_next_run() {
    let scene = Scene::new(&["--boot", "1500ms"]);
    scene.propose("begin", "# A database", "# The database");
    scene.plan("begin");
    scene.merge("begin");
    let runner = scene.runner(&Event::Push);
    runner.named("apply", "Find the plan that was reviewed", 0);
    runner.killed("apply", "Apply", 1);
    // The machine lives on, and the last step has its turn.
    runner.named("apply", "Keep the state", 0);
    let journal = scene.on_main("state/shop.json.journal");
    assert!(journal.contains("attempt"), "{journal}");
    // Run again, it goes on with the plan that was begun.
    let said = scene.runner(&Event::Push).job("apply", 0);
    // How many of them this run has waited for depends on how far the other one was.
    assert!(said.contains("is what may be done.") && said.contains("Applied: "), "{said}");
    assert_eq!((scene.bought().len(), scene.recorded()), (3, scene.bought()));
}

#[test]
fn a_machine_that_dies_takes_the_state_along_and_nothing_is_bought_twice() {
    let scene = Scene::new(&["--boot", "1500ms"]);
    let runner = scene.runner(&Event::ByHand);
    runner.killed("apply", "Apply", 1);
    std::fs::remove_dir_all(&runner.workspace).expect("gone with its machine");
    let files = scene.git("origin.git", &["ls-tree", "-r", "--name-only", "main"]);
    assert!(!files.contains("state/"), "{files}");
    let before = scene.bought();
    assert_eq!(before.len(), 1);
    scene.runner(&Event::ByHand).job("apply", 0);
    assert_eq!((scene.bought().len(), scene.recorded()), (3, scene.bought()));
    assert!(scene.bought().is_superset(&before));
    let said = scene.runner(&Event::ByHand).job("apply", 0);
    assert!(said.contains("No changes. 3 instances"), "{said}");
}

#[test]
fn a_push_that_loses_tries_again_and_never_loses_the_state() {
    let scene = Scene::new(&["--boot", "0s"]);
    let runner = scene.runner(&Event::ByHand);
    runner.named("apply", "Apply", 0);
    // Somebody else was faster, elsewhere in the repository.
    scene.git("desk", &["pull", "--quiet", "origin", "main"]);
    scene.folder.write("desk/notes.md", "in between\n");
    scene.commit("in between");
    scene.git("desk", &["push", "--quiet", "origin", "main"]);
    runner.named("apply", "Keep the state", 0);
    assert_eq!(scene.on_main("notes.md"), "in between");
    assert_eq!(scene.recorded(), scene.bought());
    // And once in the same file.
    scene.propose("more", "count: 2", "count: 3");
    scene.merge("more");
    let runner = scene.runner(&Event::ByHand);
    runner.named("apply", "Apply", 0);
    let other = scene.folder.read("desk/state/shop.json").replace("\"serial\"", "\"serial\" ");
    scene.folder.write("desk/state/shop.json", &other.replace("\"region\"", "\"region\" ").replace('{', "{ "));
    scene.commit("by hand");
    scene.git("desk", &["push", "--quiet", "origin", "main"]);
    let said = runner.named("apply", "Keep the state", 1);
    assert!(said.contains("on the branch lighthouse-state-77-1"), "{said}");
    let kept = scene.git("origin.git", &["show", "lighthouse-state-77-1:state/shop.json"]);
    assert!(scene.bought().iter().all(|id| kept.contains(id)), "{kept}");
}

#[test]
fn drift_opens_an_issue_and_closes_it() {
    let scene = Scene::new(&["--boot", "0s"]);
    scene.runner(&Event::ByHand).job("apply", 0);
    let runner = scene.runner(&Event::Schedule);
    runner.job("drift", 0);
    assert_eq!((runner.output("code"), scene.calls("issue create")), ("0".to_owned(), 0));
    let state = scene.state();
    let id = state["instances"]["db"]["instance_id"].as_str().expect("an id");
    scene.sandbox.outside("POST", &format!("/sandbox/instances/{id}"), r#"{"InstanceName": "by-hand"}"#);
    for _ in 0..2 {
        let runner = scene.runner(&Event::Schedule);
        runner.job("drift", 0);
        assert_eq!(runner.output("code"), "3");
    }
    assert_eq!((scene.calls("issue create"), scene.calls("issue edit")), (1, 1));
    let issue = scene.folder.read("hub/issues/1");
    assert!(issue.contains("by-hand") && issue.contains("<!-- lhprov:drift stack=shop -->"), "{issue}");
    // The next apply puts it right, and the day after the issue is closed.
    scene.runner(&Event::ByHand).job("apply", 0);
    let runner = scene.runner(&Event::Schedule);
    runner.job("drift", 0);
    assert_eq!((runner.output("code"), scene.calls("issue close")), ("0".to_owned(), 1));
}
