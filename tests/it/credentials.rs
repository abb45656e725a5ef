//! Who asks, and where the answers come from, when something about it is wrong.

use crate::far::{Far, json as said, text};
use crate::support::{Place, SMALL};
use lhprov::sandbox::account::ACCOUNT_ID;
use lhprov::sandbox::sts::Temporary;
use lhprov::sandbox::verify::{SECRET_ID, SECRET_KEY};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A sandbox that is served, and that checks every signature.
struct Served {
    url: String,
    process: Child,
}

impl Served {
    fn start(place: &Place, flags: &[&str]) -> Self {
        let arguments = [&["sandbox", "serve", "--data", "box"], flags].concat();
        let mut process =
            place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts");
        let lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        let url = lines.map_while(Result::ok).next().expect("its URL");
        Self { url, process }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already is no failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn profile(place: &Place, name: &str, fields: &Value) {
    std::fs::create_dir_all(place.path().join(".tccli")).expect("a folder");
    place.write(&format!(".tccli/{name}.credential"), &fields.to_string());
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the year 292 million")
}

/// A metadata service whose credentials last `lasts` seconds, good for the sandbox. After `most` of them it has none.
fn metadata(lasts: i64, most: usize) -> Far {
    let given = AtomicUsize::new(0);
    Far::start(move |asked| {
        match (asked.method.as_str(), asked.path.strip_prefix("/latest/meta-data/cam/security-credentials/")) {
            ("GET", Some("")) => text(200, "deploy"),
            ("GET", Some("deploy")) if given.fetch_add(1, Ordering::SeqCst) < most => {
                let until = now() + lasts;
                let role = Temporary::grant("deploy", "cvm", until);
                said(&json!({"TmpSecretId": role.id, "TmpSecretKey": role.key, "Token": role.token,
                    "ExpiredTime": until, "Code": "Success"}))
            }
            _ => text(404, "nothing here"),
        }
    })
}

fn whoami(place: &Place, flags: &[&str]) -> Value {
    let said = place.run(&[&["auth", "whoami", "--json"], flags].concat()).expect(0);
    serde_json::from_str(&said.out).expect("JSON")
}

#[test]
fn without_credentials_every_place_is_named() {
    let place = Place::with(SMALL);
    let began = Instant::now();
    for command in [&["plan"][..], &["auth", "whoami"]] {
        let said = place.run(command).expect(1);
        assert!(said.out.is_empty() && said.err.contains("help:"), "{said:#?}");
        let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for place in ["TENCENTCLOUD_SECRET_ID", "tccli", "role of this machine"] {
            assert!(told.contains(place), "{said:#?}");
        }
    }
    assert!(began.elapsed() < Duration::from_secs(10), "a machine outside the cloud does not hang");
}

#[test]
fn a_metadata_service_that_says_nothing_holds_nobody_up() {
    let mut place = Place::with(SMALL);
    // It takes the connection, and that is all.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    place.set("LHPROV_METADATA_URL", &format!("http://{}", silent.local_addr().expect("an address")));
    let began = Instant::now();
    let said = place.run(&["auth", "whoami"]).expect(1);
    assert!(said.err.contains("nobody answers in time"), "{said:#?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn a_cloud_that_cannot_be_reached_is_an_error_and_no_panic() {
    let mut place = Place::with(SMALL);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
    place.set("LHPROV_ENDPOINT", &format!("http://127.0.0.1:{port}"));
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    let said = place.run(&["catalog", "zones"]).expect(1);
    assert!(said.err.starts_with("error: ") && !said.err.contains("panicked"), "{said:#?}");
    assert!(!said.err.contains("not-a-real-key"), "{said:#?}");
}

#[test]
fn whoami_says_which_link_won() {
    let mut place = Place::with(SMALL);
    let served = Served::start(&place, &[]);
    place.set("LHPROV_ENDPOINT", &served.url);
    let keys = json!({"secretId": SECRET_ID, "secretKey": SECRET_KEY});
    // The machine: the sandbox plays its metadata service too.
    place.set("LHPROV_METADATA_URL", &served.url);
    let who = whoami(&place, &[]);
    assert_eq!((&who["source"]["link"], &who["temporary"]), (&json!("machine"), &json!(true)), "{who:#}");
    assert_eq!(who["looked_at"].as_array().map(Vec::len), Some(2), "{who:#}");
    assert!(who["principal"].as_str().is_some_and(|arn| arn.ends_with("assumed-role/lhprov-sandbox/cvm")), "{who:#}");
    assert!(who["expires"].as_str().is_some_and(|time| time.ends_with('Z')), "{who:#}");
    // The default profile goes before it, then one that assumes a role.
    profile(&place, "default", &keys);
    let who = whoami(&place, &[]);
    assert_eq!((&who["source"]["link"], &who["source"]["profile"]), (&json!("profile"), &json!("default")), "{who:#}");
    assert_eq!((&who["account"], &who["expires"]), (&json!(ACCOUNT_ID), &Value::Null), "{who:#}");
    let arn = format!("qcs::cam::uin/{ACCOUNT_ID}:roleName/deploy");
    let mut assumed = keys.clone();
    (assumed["role-arn"], assumed["role-session-name"]) = (json!(arn), json!("ci"));
    profile(&place, "ci", &assumed);
    let who = whoami(&place, &["--profile", "ci"]);
    assert_eq!(who["source"]["role_arn"], json!(arn), "{who:#}");
    assert!(who["principal"].as_str().is_some_and(|arn| arn.ends_with("assumed-role/deploy/ci")), "{who:#}");
    // The environment goes before the default profile, and its role with it.
    place.set("TENCENTCLOUD_SECRET_ID", SECRET_ID);
    place.set("TENCENTCLOUD_SECRET_KEY", SECRET_KEY);
    assert_eq!(whoami(&place, &[])["source"]["link"], json!("environment"));
    let said = place.run(&["auth", "whoami"]).expect(0);
    for word in ["environment (TENCENTCLOUD_SECRET_ID)", ACCOUNT_ID, "never", "AKID…0000"] {
        assert!(said.out.contains(word), "{said:#?}");
    }
    assert!(!said.out.contains(SECRET_KEY) && !said.out.contains(SECRET_ID), "{said:#?}");
    place.set("TENCENTCLOUD_ROLE_ARN", &arn);
    place.set("TENCENTCLOUD_ROLE_SESSION_NAME", "env");
    assert!(whoami(&place, &[])["principal"].as_str().is_some_and(|arn| arn.ends_with("deploy/env")));
    // A role that does not exist: the service's word and the way out, and nothing is bought.
    place.set("TENCENTCLOUD_ROLE_ARN", &format!("qcs::cam::uin/{ACCOUNT_ID}:roleName/none"));
    for command in [&["auth", "whoami"][..], &["apply", "--yes"]] {
        let said = place.run(command).expect(1);
        assert!(said.err.contains("cannot be assumed") && said.err.contains("RoleNotFound"), "{said:#?}");
        assert!(said.err.contains("help:"), "{said:#?}");
    }
    assert!(!place.path().join("state").exists());
}

#[test]
fn whoami_of_the_sandbox() {
    let who = whoami(&Place::with(SMALL), &["--sandbox"]);
    assert_eq!((&who["source"]["link"], &who["endpoint"]), (&json!("sandbox"), &json!("sandbox")));
}

/// The sandbox refuses a token that is over, so that an apply which ends well has renewed them.
#[test]
fn credentials_are_renewed_in_the_middle_of_an_apply() {
    let mut place = Place::with(SMALL);
    let served = Served::start(&place, &["--boot", "4s"]);
    let machine = metadata(4, usize::MAX);
    place.set("LHPROV_ENDPOINT", &served.url);
    place.set("LHPROV_METADATA_URL", &machine.url);
    let said = place.run(&["apply", "--yes"]).expect(0);
    assert!(said.out.ends_with("Applied: 3 running.\n"), "{said:#?}");
    // Two requests for each, and db is bought before web.
    assert!(machine.asked().len() >= 6, "{:#?}", machine.asked());
}

#[test]
fn credentials_that_end_are_no_purchase_and_the_next_run_goes_on() {
    let mut place = Place::with(&SMALL.replace("{ period: 1 }", "{ period: 1 }, timeouts: { create: 8s }"));
    let served = Served::start(&place, &["--boot", "5s"]);
    let machine = metadata(3, 1);
    place.set("LHPROV_ENDPOINT", &served.url);
    place.set("LHPROV_METADATA_URL", &machine.url);
    // db is bought; before it runs, the credentials are over and nobody gives others.
    let said = place.run(&["apply", "--yes"]).expect(6);
    let told = format!("{}{}", said.out, said.err);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("the role of this machine cannot be used"), "{said:#?}");
    place.set("LHPROV_METADATA_URL", &served.url);
    place.run(&["apply", "--yes"]).expect(0);
    let status: Value =
        serde_json::from_str(&place.run(&["sandbox", "status", "--data", "box", "--json"]).expect(0).out)
            .expect("JSON");
    assert_eq!(status["instances"]["RUNNING"], 3, "{status:#}");
}

#[test]
fn an_account_that_is_not_allowed_is_refused_before_anything_is_written() {
    let place = Place::with(&SMALL.replace("stack: small\n", "stack: small\nallowed_accounts: [200, \"300\"]\n"));
    for command in [&["plan"][..], &["apply", "--yes"], &["destroy", "--yes"]] {
        let said = place.run(&[command, &["--sandbox"]].concat()).expect(7);
        let told = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("belong to account {ACCOUNT_ID}")), "{said:#?}");
        assert!(told.contains("allows only 200, 300") && told.contains("help:"), "{said:#?}");
    }
    assert_eq!(whoami(&place, &["--sandbox"])["allowed"], json!(false));
    let status: Value = serde_json::from_str(&place.run(&["sandbox", "status", "--json"]).expect(0).out).expect("JSON");
    assert_eq!(status["calls"]["CreateInstances"], Value::Null, "{status:#}");
    assert!(!place.path().join("state/sandbox/small.json").exists());
    // With it in the list, all is well.
    let allowed = format!("stack: small\nallowed_accounts: [200, {ACCOUNT_ID}]\n");
    place.write("lighthouse.yaml", &SMALL.replace("stack: small\n", &allowed));
    place.run(&["apply", "--yes", "--sandbox", "--boot", "0s"]).expect(0);
    assert_eq!(whoami(&place, &["--sandbox"])["allowed"], json!(true));
}

#[test]
fn an_account_that_cannot_be_learned_is_refused_where_only_some_are_allowed() {
    let fault = "denied:GetCallerIdentity";
    let allowed = format!("stack: small\nallowed_accounts: [\"{ACCOUNT_ID}\"]\n");
    let place = Place::with(&SMALL.replace("stack: small\n", &allowed));
    let said = place.run(&["apply", "--sandbox", "--yes", "--fault", fault]).expect(7);
    assert!(said.err.contains("cannot be learned") && said.err.contains(ACCOUNT_ID), "{said:#?}");
    assert!(!place.path().join("state/sandbox/small.json").exists());
    // Also when an earlier run left something open: settling may buy.
    place.run(&["apply", "--sandbox", "--yes", "--boot", "0s"]).expect(0);
    // Without the list nothing depends on it.
    let free = Place::with(SMALL);
    free.run(&["apply", "--sandbox", "--yes", "--boot", "0s", "--fault", fault]).expect(0);
}

#[test]
fn the_trace_shows_requests_and_answers_and_is_off_by_default() {
    let place = Place::with(SMALL);
    let quiet = place.run(&["catalog", "zones", "--sandbox"]).expect(0);
    assert_eq!(quiet.err, "");
    let traced = place.run(&["catalog", "zones", "--sandbox", "--http-trace"]).expect(0);
    assert_eq!(traced.out, quiet.out);
    assert!(traced.err.contains("> POST") && traced.err.contains("< 200 DescribeZones"), "{traced:#?}");
    let mut place = Place::with(SMALL);
    let served = Served::start(&place, &[]);
    place.set("LHPROV_ENDPOINT", &served.url);
    place.set("LHPROV_METADATA_URL", &served.url);
    place.set("LHPROV_HTTP_TRACE", "true");
    let traced = place.run(&["auth", "whoami"]).expect(0);
    for line in
        ["> GET http://127.0.0.1", "security-credentials/", "> POST http://127.0.0.1", "X-TC-Token: …", "Signature=…"]
    {
        assert!(traced.err.contains(line), "{line}: {traced:#?}");
    }
    assert!(!traced.has_escape());
}
