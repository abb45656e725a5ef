//! What goes wrong around the command: each case ends with its exit code, says what is wrong and a way out, and loses
//! nothing.

use crate::support::{Place, SMALL, Said, said};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};

impl Said {
    /// An error as it should be: its code, no panic, each of `parts` on stderr, and help.
    #[track_caller]
    fn fails(self, code: i32, parts: &[&str]) -> Self {
        let said = self.expect(code);
        let text = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_error = text.contains("error") || text.contains("blocked: ");
        assert!(is_error && text.contains("help") && !text.contains("panicked"), "{said:#?}");
        for part in parts {
            assert!(text.contains(part), "no `{part}` in {said:#?}");
        }
        said
    }
}

const SANDBOX: [&str; 3] = ["--sandbox=box", "--boot", "0s"];

fn in_sandbox(place: &Place, arguments: &[&str]) -> Said {
    place.run(&[arguments, &SANDBOX].concat())
}

/// A place whose stack is applied in the sandbox.
fn applied() -> Place {
    let place = Place::with(SMALL);
    in_sandbox(&place, &["apply", "--yes"]).expect(0);
    place
}

/// How many instances the sandbox has, whatever the state says.
fn bought(place: &Place) -> u64 {
    let said = place.run(&["sandbox", "status", "--data", "box", "--json"]).expect(0);
    let status: Value = serde_json::from_str(&said.out).expect("JSON");
    status["instances"].as_object().expect("a map").values().filter_map(Value::as_u64).sum()
}

/// Every command that reads the state refuses, and leaves the files of the state as they are.
#[track_caller]
fn refused_and_untouched(place: &Place, parts: &[&str]) {
    let files = || ["box/small.json", "box/small.json.journal"].map(|name| std::fs::read(place.path().join(name)).ok());
    let before = (files(), bought(place));
    for arguments in [&["plan"][..], &["apply", "--yes"], &["destroy", "--yes"]] {
        let said = in_sandbox(place, arguments).fails(1, parts);
        assert!(said.out.is_empty(), "{said:#?}");
        assert!(files() == before.0, "{arguments:?} has changed the state");
    }
    assert_eq!(bought(place), before.1);
}

#[test]
fn no_manifest_and_an_empty_one() {
    let place = Place::empty();
    for arguments in [&["plan", "--sandbox"][..], &["apply", "--sandbox", "--yes"], &["destroy", "--sandbox", "-y"]] {
        place.run(arguments).fails(1, &["there is no manifest `lighthouse.yaml`", "-f FILE"]);
    }
    place.run(&["plan", "--sandbox", "-f", "other.yaml"]).fails(1, &["`other.yaml`"]);
    place.write("lighthouse.yaml", "");
    place
        .run(&["apply", "--sandbox", "--yes"])
        .fails(1, &["this manifest is empty", "lighthouse.yaml:1:1", "`version: 1`"]);
    assert!(!place.path().join("state").exists());
}

#[test]
fn a_manifest_that_wants_nothing_any_more_does_not_destroy() {
    let place = applied();
    place.write("lighthouse.yaml", "version: 1\nstack: small\nregion: ap-guangzhou\ninstances: {}\n");
    in_sandbox(&place, &["apply", "--yes"]).fails(7, &["wants no instance at all", "`lhprov destroy --sandbox=box`"]);
    place.write("lighthouse.yaml", "version: 1\nstack: small\nregion: ap-guangzhou\n");
    in_sandbox(&place, &["apply", "--yes"]).fails(1, &["`instances`"]);
    assert_eq!(bought(&place), 3);
}

#[test]
fn a_damaged_state_is_shown_with_line_and_column() {
    let place = applied();
    place.write("box/small.json", "{\"format\": 1,\n \"lineage\": \"x\",\n  oops}\n");
    refused_and_untouched(
        &place,
        &[
            "box/small.json is damaged",
            "line 3, column 3",
            "nothing was changed",
            "cp box/small.json.backup box/small.json",
        ],
    );
    place.run(&["show", "--sandbox=box"]).fails(1, &["line 3, column 3"]);
    // Half of a file, as a copy that was cut short leaves it.
    let place = applied();
    let whole = place.read("box/small.json");
    place.write("box/small.json", &whole[..whole.len() / 2]);
    refused_and_untouched(&place, &["box/small.json is damaged", "line "]);
    // Restored, it is as before.
    place.write("box/small.json", &whole);
    in_sandbox(&place, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_state_that_cannot_be_read_is_not_no_state() {
    let place = applied();
    std::fs::remove_file(place.path().join("box/small.json")).expect("removed");
    std::fs::create_dir(place.path().join("box/small.json")).expect("a folder in its place");
    in_sandbox(&place, &["apply", "--yes"]).fails(1, &["failed to read box/small.json", "--state"]);
    assert_eq!(bought(&place), 3);
}

#[test]
fn a_state_of_something_else_is_refused() {
    let place = applied();
    let own = place.read("box/small.json");
    for (from, to, part) in [
        ("\"stack\": \"small\"", "\"stack\": \"other\"", "belongs to stack `other`, and this run is for `small`"),
        ("\"region\": \"ap-guangzhou\"", "\"region\": \"ap-beijing\"", "belongs to region `ap-beijing`"),
        ("\"endpoint\": \"sandbox\"", "\"endpoint\": \"https://a.example\"", "belongs to endpoint `https://a.example`"),
        ("\"account\": \"100000000001\"", "\"account\": \"100000000002\"", "belongs to account `100000000002`"),
    ] {
        assert!(own.contains(from), "{own}");
        place.write("box/small.json", &own.replace(from, to));
        refused_and_untouched(&place, &[part, "--state"]);
    }
}

#[test]
fn a_newer_format_is_left_to_newer_versions() {
    let place = applied();
    let newer = place.read("box/small.json").replace("\"format\": 2", "\"format\": 3");
    place.write("box/small.json", &newer);
    let parts = ["was written by a newer version", "it has format 3", "use the version of lhprov that wrote"];
    refused_and_untouched(&place, &parts);
}

#[test]
fn a_damaged_journal_stops_everything() {
    let place = applied();
    // The backup cannot be saved over a folder: the journal stays, with everything in it.
    std::fs::create_dir_all(place.path().join("box/small.json.backup")).expect("a folder in the way");
    place.write("lighthouse.yaml", &SMALL.replace("count: 2", "count: 3"));
    in_sandbox(&place, &["apply", "--yes"]).fails(6, &["small.json.backup"]);
    let journal = place.read("box/small.json.journal");
    place.write("box/small.json.journal", &journal.replacen("\"seq\":2,", "\"seq\":7,", 1));
    refused_and_untouched(&place, &["the journal box/small.json.journal is damaged at line 2", "nothing was changed"]);
    place.write("box/small.json.journal", &journal.replacen("lhbp-", "lhpb-", 1));
    refused_and_untouched(&place, &["is damaged at line 2", "the checksum does not match"]);
    // Whole again, and nothing in the way: everything bought is known.
    place.write("box/small.json.journal", &journal);
    std::fs::remove_dir(place.path().join("box/small.json.backup")).expect("removed");
    in_sandbox(&place, &["apply", "--yes"]).expect(0);
    assert_eq!(bought(&place), 4);
    in_sandbox(&place, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_state_folder_that_cannot_be_one() {
    let place = Place::with(SMALL);
    place.write("file", "");
    in_sandbox(&place, &["apply", "--yes", "--state", "file/small.json"])
        .fails(1, &["failed to find file/small.json", "--state"]);
    assert_eq!(bought(&place), 0);
    assert_eq!(place.read("file"), "");
}

/// Runs a script with a small disk of its own at `disk`, where the system lets a user have one. The binary is `$LHPROV`.
#[cfg(target_os = "linux")]
fn with_small_disk(place: &Place, script: &str) -> Option<Said> {
    std::fs::create_dir_all(place.path().join("disk")).expect("a folder");
    let unshare = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script]).current_dir(place.path());
        command.env("LHPROV", env!("CARGO_BIN_EXE_lhprov")).env_remove("LHPROV_SANDBOX").stdin(Stdio::null());
        command.output()
    };
    let mount = "mount -t tmpfs -o size=4k small disk";
    if !unshare(mount).is_ok_and(|output| output.status.success()) {
        crate::require::skip("this system gives no small disk to a user (unshare, mount -t tmpfs)");
        return None;
    }
    Some(said(&unshare(&format!("{mount}\n{script}")).expect("it was there a moment ago")))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    const APPLY: &str = "\"$LHPROV\" apply --yes --sandbox=box --boot 0s --state disk/small.json";
    // Space for the state and its backup is tried before anything is bought.
    for (pages, code, before) in [(1, 1, 0), (2, 1, 0), (24, 0, 3)] {
        let place = Place::with(SMALL);
        let script = format!(
            "mount -o remount,size={}k disk
            set +e; {APPLY}; code=$?; set -e
            test $code = {code} || {{ echo \"exit $code\"; exit 99; }}
            \"$LHPROV\" sandbox status --data box --json >before.json
            mount -o remount,size=1m disk
            {APPLY}
            \"$LHPROV\" plan --detailed-exitcode --sandbox=box --state disk/small.json",
            4 * pages
        );
        let Some(said) = with_small_disk(&place, &script) else { return };
        let said = said.expect(0);
        if code != 0 {
            said.fails(0, &["No space left on device", "free some space and run the command again"]);
        }
        let status: Value = serde_json::from_str(&place.read("before.json")).expect("JSON");
        assert_eq!(status["instances"]["RUNNING"].as_u64().unwrap_or(0), before, "{pages} pages: {status}");
        assert_eq!(bought(&place), 3, "{pages} pages");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_state_folder() {
    let place = applied();
    let script = "cp box/small.json disk/
        mount -o remount,ro disk
        \"$LHPROV\" plan --detailed-exitcode --sandbox=box --state disk/small.json
        set +e; \"$LHPROV\" apply --yes --sandbox=box --state disk/small.json; test $? = 1";
    let Some(said) = with_small_disk(&place, script) else { return };
    said.fails(0, &["failed to lock disk/small.json.lock", "make the folder writable", "--state"]);
    assert_eq!(bought(&place), 3);
}

#[test]
fn no_credentials() {
    let place = Place::with(SMALL);
    let parts = ["no credentials found", "TENCENTCLOUD_SECRET_ID", "tccli configure"];
    place.run(&["apply", "--yes"]).fails(1, &parts);
    assert!(!place.path().join("state").exists());
}

/// A served sandbox that ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn wrong_credentials() {
    let mut place = Place::with(SMALL);
    let mut command = place.command(&["sandbox", "serve", "--data", "box", "--boot", "0s"]);
    let mut served = Served(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts"));
    let lines = BufReader::new(served.0.stdout.take().expect("stdout")).lines();
    let printed: Vec<String> = lines.take(4).map(|line| line.expect("UTF-8")).collect();
    for line in &printed[1..] {
        let (name, value) = line.split_once('=').expect("NAME=VALUE");
        place.set(name, value);
    }
    place.run(&["plan"]).expect(0);
    place.set("TENCENTCLOUD_SECRET_KEY", "another-key-of-someone");
    let said = place.run(&["apply", "--yes"]).fails(1, &["AuthFailure.SignatureFailure", "TENCENTCLOUD_SECRET_KEY"]);
    assert!(!said.err.contains("another-key"), "{said:#?}");
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDofnobody");
    place.run(&["apply", "--yes"]).fails(1, &["AuthFailure.SecretIdNotFound", "help: "]);
    assert_eq!(bought(&place), 0);
}

/// Answers every request with `answer`, whatever it asks.
fn answering(answer: &str) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut place = Place::with(SMALL);
    place.set("LHPROV_ENDPOINT", &format!("http://{}", listener.local_addr().expect("an address")));
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap_or(0);
                    }
                    line.clear();
                }
                let _ = reader.read_exact(&mut vec![0; length]);
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    place
}

fn http(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// The command is refused, says why, and has bought nothing: it has not even begun a journal.
#[track_caller]
fn refused_by(answer: &str, parts: &[&str]) {
    let place = answering(answer);
    let said = place.run(&["apply", "--yes"]).fails(1, parts);
    assert!(!said.err.contains("not-a-real-key") && !said.has_escape(), "{said:#?}");
    assert!(!place.path().join("state/small.json.journal").exists() && !place.path().join("state/small.json").exists());
}

#[test]
fn a_clock_that_is_off_by_an_hour() {
    let body = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"Expired."},"RequestId":"r"}}"#;
    // Half a minute more, since a moment passes until the answer is read.
    for (seconds, told) in [(3630, "1h00m behind"), (-3600, "1h00m ahead of")] {
        let theirs = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&theirs).expect("a date");
        refused_by(
            &http(&format!("Date: {date}\r\n"), body),
            &[
                "AuthFailure.SignatureExpire",
                &format!("this machine's clock is {told} the service"),
                "Set this machine's clock, then run again; nothing happened",
            ],
        );
    }
}

#[test]
fn no_network() {
    let mut place = Place::with(SMALL);
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    place.set("LHPROV_ENDPOINT", &format!("http://127.0.0.1:{port}"));
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    place.run(&["apply", "--yes"]).fails(1, &["no connection to http://127.0.0.1:", "check the network", "--endpoint"]);
    assert!(!place.path().join("state/small.json").exists());
}

#[test]
fn a_server_that_answers_with_a_page() {
    let page = "<html>\u{1b}[31m<h1>Welcome to the hotel</h1></html>";
    refused_by(
        &http("Content-Type: text/html\r\n", page),
        &["the answer is not JSON, so it is not the API's", "check --endpoint and any proxy", "Welcome to the hotel"],
    );
}

#[test]
fn half_an_answer() {
    let whole = http("", r#"{"Response":{"TotalCount":0,"InstanceSet":[],"RequestId":"r"}}"#);
    refused_by(&whole[..whole.len() - 20], &["in the middle of the answer", "run again"]);
}

#[test]
fn half_an_answer_to_a_purchase_is_settled_in_the_same_run() {
    let place = Place::with(SMALL);
    in_sandbox(&place, &["apply", "--yes", "--fault", "cut=150:CreateInstances:at=1"]).expect(0);
    assert_eq!(bought(&place), 3);
    in_sandbox(&place, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn fewer_ids_than_asked() {
    let place = Place::with(SMALL);
    in_sandbox(&place, &["apply", "--yes", "--fault", "partial=1:CreateInstances"]).expect(0);
    assert_eq!(bought(&place), 3);
    in_sandbox(&place, &["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn nobody_to_ask() {
    let place = Place::with(SMALL);
    in_sandbox(&place, &["apply"])
        .fails(9, &["there is no terminal to ask on", "`lhprov apply --sandbox=box --boot 0s --yes`"]);
    assert_eq!(bought(&place), 0);
    let place = applied();
    in_sandbox(&place, &["destroy"]).fails(9, &["`lhprov destroy --sandbox=box --boot 0s --yes`"]);
    assert_eq!(bought(&place), 3);
}
