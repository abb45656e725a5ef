//! Nothing leaks: a secret stands in every place where one can be, and is looked for in everything that comes out.

use crate::far::{Asked, Far, Said as Answer, json as answered, text};
use crate::support::{Place, Said, Shared};
use lhprov::cloud::client::HttpOptions;
use lhprov::cloud::credential::{Surroundings, find};
use lhprov::cloud::endpoint::Endpoint;
use lhprov::desired;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const KEY: &str = "CanaryKeyOfTheEnvironment00000001";
const TOKEN: &str = "CanaryTokenOfTheEnvironment000002";
const PASSWORD: &str = "Canary-Pass-Env-03";
const FILE_PASSWORD: &str = "Canary-Pass-File-04";
const PROFILE_KEY: &str = "CanaryKeyOfTheProfile000000000005";
const PROFILE_TOKEN: &str = "CanaryTokenOfTheProfile0000000006";
const MACHINE_KEY: &str = "CanaryKeyOfTheMachine000000000007";
const MACHINE_TOKEN: &str = "CanaryTokenOfTheMachine0000000008";
const ROLE_KEY: &str = "CanaryKeyOfTheRole000000000000009";
const ROLE_TOKEN: &str = "CanaryTokenOfTheRole00000000000010";
const PROXY_PASSWORD: &str = "CanaryPassOfTheProxy00000000000011";

const ALL: [&str; 11] = [
    KEY,
    TOKEN,
    PASSWORD,
    FILE_PASSWORD,
    PROFILE_KEY,
    PROFILE_TOKEN,
    MACHINE_KEY,
    MACHINE_TOKEN,
    ROLE_KEY,
    ROLE_TOKEN,
    PROXY_PASSWORD,
];

/// Shorter parts of one are looked for as well: the first half of a secret is one too.
const PART: usize = 14;

const MANIFEST: &str = "version: 1
stack: canary
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 }, timeouts: { create: 2s } }
instances:
  db: { login: { password: \"${env:DB_PASSWORD}\" } }
  web: { count: 2, login: { password: { file: secret.txt } } }
";

/// Files that hold a canary because the test put it there.
const PLANTED: [&str; 2] = ["secret.txt", ".tccli"];

struct Watch {
    place: Place,
    seen: String,
}

impl Watch {
    fn new() -> Self {
        let mut place = Place::with(MANIFEST);
        place.write("secret.txt", &format!("{FILE_PASSWORD}\n"));
        place.set("DB_PASSWORD", PASSWORD);
        Self { place, seen: String::new() }
    }

    fn with_environment(mut self, endpoint: &str) -> Self {
        self.place.set("LHPROV_ENDPOINT", endpoint);
        self.place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLEEXAMPLE");
        self.place.set("TENCENTCLOUD_SECRET_KEY", KEY);
        self.place.set("TENCENTCLOUD_TOKEN", TOKEN);
        self
    }

    /// As in a step of GitHub Actions: every run is told there, too.
    fn in_a_step(mut self) -> Self {
        let root = self.place.path().to_str().expect("UTF-8").to_owned();
        self.place.set("GITHUB_ACTIONS", "true");
        self.place.set("GITHUB_WORKSPACE", &root);
        self.place.set("GITHUB_STEP_SUMMARY", &format!("{root}/summary.md"));
        self
    }

    fn profile(&self, fields: &Value) {
        std::fs::create_dir_all(self.place.path().join(".tccli")).expect("a folder");
        self.place.write(".tccli/default.credential", &fields.to_string());
    }

    /// Runs it with everything that talks, and looks through what it said.
    #[track_caller]
    fn run(&mut self, arguments: &[&str]) -> Said {
        let said = self.place.run(&[arguments, &["--log-level", "trace", "--http-trace"]].concat());
        let what = arguments.join(" ");
        clean(&format!("stdout of {what}"), said.out.as_bytes());
        clean(&format!("stderr of {what}"), said.err.as_bytes());
        let _ = writeln!(self.seen, "{}{}", said.out, said.err);
        said
    }

    /// Runs it until `enough`, and kills it: what is not known stays as it is on disk.
    fn run_and_kill(&mut self, arguments: &[&str], enough: impl Fn() -> bool) {
        let file = |name: &str| std::fs::File::create(self.place.path().join(name)).expect("a file");
        let mut child = self
            .place
            .command(arguments)
            .stdout(file("killed.out"))
            .stderr(file("killed.err"))
            .spawn()
            .expect("the command starts");
        let until = Instant::now() + Duration::from_secs(20);
        while !enough() && Instant::now() < until && child.try_wait().expect("its status").is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        // One that has ended already is no failure.
        let _ = child.kill();
        child.wait().expect("its end");
    }

    /// Looks through every file that the commands wrote.
    fn check_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.place.path(), &mut found);
        for path in &found {
            clean(&path.display().to_string(), &std::fs::read(path).expect("read"));
        }
        found.iter().map(|path| path.strip_prefix(self.place.path()).expect("below").to_owned()).collect()
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if PLANTED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// The canary as it would stand in a text: plain, and in each of the three positions of base64.
fn forms(canary: &str) -> Vec<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut forms = vec![canary[..PART].to_owned(), canary[canary.len() - PART..].to_owned()];
    for skip in 0..3 {
        let whole = &canary.as_bytes()[skip..skip + (canary.len() - skip) / 3 * 3];
        let mut coded = String::new();
        for three in whole.chunks(3) {
            let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            for shift in [18, 12, 6, 0] {
                coded.push(char::from(LETTERS[(bits >> shift & 63) as usize]));
            }
        }
        forms.push(coded);
    }
    forms
}

#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for canary in ALL {
        for form in forms(canary) {
            assert!(!text.contains(&form), "{what} shows {form} of {canary}:\n{text}");
        }
    }
}

/// A cloud that sells; how it answers a purchase is for the test to say.
fn cloud(purchase: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Far {
    let shared = Mutex::new(Shared::default());
    Far::start(move |asked| {
        if let Some(answer) = (asked.action() == "CreateInstances").then(|| purchase(asked)).flatten() {
            return answer;
        }
        if asked.action() == "AssumeRole" {
            return answered(&role());
        }
        let mut response = shared.lock().unwrap().answer(asked.action(), &asked.json());
        response["RequestId"] = json!("r-1");
        answered(&json!({"Response": response}))
    })
}

fn role() -> Value {
    json!({"Response": {"Credentials": {"Token": ROLE_TOKEN, "TmpSecretId": "AKIDROLE", "TmpSecretKey": ROLE_KEY},
        "ExpiredTime": 99_999_999_999i64, "RequestId": "r-2"}})
}

fn machine() -> Value {
    json!({"TmpSecretId": "AKIDMACHINE", "TmpSecretKey": MACHINE_KEY, "Token": MACHINE_TOKEN,
        "ExpiredTime": 99_999_999_999i64, "Code": "Success"})
}

#[test]
fn the_forms_that_are_looked_for_are_those_of_base64() {
    // "xCanary-Pass-Env-03" encoded has the second form in it.
    assert!("eENhbmFyeS1QYXNzLUVudi0wMw==".contains(&forms(PASSWORD)[4][..20]));
    assert_eq!(forms("Canary-Pass-Env-03")[2], "Q2FuYXJ5LVBhc3MtRW52LTAz");
}

#[test]
fn all_commands_of_a_stack() {
    let far = cloud(|_| None);
    let mut watch = Watch::new().with_environment(&far.url);
    watch.run(&["validate"]).expect(0);
    watch.run(&["validate", "--json"]).expect(0);
    watch.run(&["render"]).expect(0);
    watch.run(&["plan"]).expect(0);
    watch.run(&["plan", "--view", "full", "--events", "plan.ndjson"]).expect(0);
    watch.run(&["plan", "--out", "saved.json"]).expect(0);
    watch.run(&["show", "saved.json", "--view", "full"]).expect(0);
    watch.run(&["plan", "--json"]).expect(0);
    watch.run(&["auth", "whoami"]).expect(0);
    watch.run(&["auth", "whoami", "--json"]).expect(0);
    watch.run(&["apply", "--yes", "--events", "apply.ndjson"]).expect(0);
    watch.run(&["show"]).expect(0);
    watch.run(&["show", "--json"]).expect(0);
    watch.run(&["state", "show", "db", "--json"]).expect(0);
    // The password changes, and the state has to notice it without knowing it.
    watch.place.set("DB_PASSWORD", FILE_PASSWORD);
    watch.run(&["plan"]);
    watch.run(&["plan", "--json"]);
    watch.place.set("DB_PASSWORD", PASSWORD);
    watch.run(&["apply", "--yes", "--json"]);
    watch.run(&["destroy", "--yes", "--events", "destroy.ndjson"]).expect(0);
    let files = watch.check_files();
    for file in ["apply.ndjson", "state/canary.json", "state/canary.json.backup"] {
        assert!(files.iter().any(|own| own == Path::new(file)), "{file}: {files:?}");
    }
    // All of it really went out, and the trace really was on.
    let raw: String = far.asked().iter().map(|asked| asked.raw.clone()).collect();
    for canary in [TOKEN, PASSWORD, FILE_PASSWORD] {
        assert!(raw.contains(canary), "{canary} was not sent");
    }
    for word in ["> POST http", "< 200 CreateInstances", "\"Password\":\"…\"", "x-tc-token", "Signature=…"] {
        assert!(watch.seen.to_lowercase().contains(&word.to_lowercase()), "{word} is not in the trace");
    }
}

/// Markdown, annotations and summaries of steps, when all goes well and when the service quotes what it refuses.
#[test]
fn all_that_is_said_on_github() {
    let far = cloud(|_| None);
    let mut watch = Watch::new().with_environment(&far.url).in_a_step();
    watch.run(&["plan", "--format", "markdown"]).expect(0);
    watch.run(&["apply", "--yes", "--format", "markdown"]).expect(0);
    watch.place.set("DB_PASSWORD", FILE_PASSWORD);
    watch.run(&["plan", "--format", "markdown"]);
    watch.run(&["drift", "--format", "markdown"]);
    watch.place.set("DB_PASSWORD", PASSWORD);
    watch.run(&["destroy", "--yes", "--format", "markdown"]).expect(0);
    // A password that is refused is a mistake with a place.
    watch.place.set("DB_PASSWORD", &PASSWORD.repeat(9));
    watch.run(&["plan", "--format", "markdown"]).expect(1);
    watch.place.write("secret.txt", &format!("{FILE_PASSWORD} {FILE_PASSWORD}\n"));
    watch.run(&["validate"]).expect(1);
    for word in
        ["<!-- lhprov:plan stack=canary -->", "<!-- lhprov:apply stack=canary -->", "::error file=lighthouse.yaml,"]
    {
        assert!(watch.seen.contains(word), "{word} was not said");
    }
    let files = watch.check_files();
    assert!(files.iter().any(|file| file == Path::new("summary.md")), "{files:?}");
    let far = quoting_cloud();
    let mut watch = Watch::new().with_environment(&far.url).in_a_step();
    let said = watch.run(&["apply", "--yes", "--format", "markdown"]);
    assert!(said.out.contains("InvalidPassword"), "{said:#?}");
    watch.check_files();
}

/// A cloud that refuses every purchase and quotes all that it was told in confidence.
fn quoting_cloud() -> Far {
    cloud(|asked| {
        let quoted = format!(
            "`{}` is weak, the token {} is odd, {} too",
            asked.json()["LoginConfiguration"]["Password"].as_str().unwrap_or_default(),
            asked.header("X-TC-Token"),
            asked.header("Authorization")
        );
        let error = json!({"Code": "InvalidParameterValue.InvalidPassword", "Message": quoted});
        Some(answered(&json!({"Response": {"Error": error, "RequestId": "r"}})))
    })
}

#[test]
fn services_that_quote_what_they_refuse() {
    // Refused in so many words; and a fault that proves nothing, so that the journal stays with the open intent.
    let far = quoting_cloud();
    let mut watch = Watch::new().with_environment(&far.url);
    let said = watch.run(&["apply", "--yes", "--events", "e.ndjson"]);
    assert_ne!(said.code, Some(0), "{said:#?}");
    assert!(said.err.contains("InvalidPassword"), "{said:#?}");
    watch.check_files();
}

#[test]
fn answers_that_are_broken() {
    let head = |asked: &Asked| asked.raw.clone();
    type Break = fn(&Asked) -> Answer;
    let echo: Break = |asked| text(500, asked.raw.clone());
    let echo_as_json: Break = |asked| (502, "application/json", json!({"request": asked.raw}).to_string());
    let cut: Break = |asked| {
        let whole = json!({"Response": {"LoginConfiguration": asked.json()["LoginConfiguration"]}}).to_string();
        (200, "application/json", whole[..whole.len() - 8].to_owned())
    };
    let internal: Break = |asked| {
        answered(&json!({"Response": {"Error": {"Code": "InternalError", "Message": asked.body}, "RequestId": "r"}}))
    };
    for broken in [echo, echo_as_json, cut, internal] {
        let far = cloud(move |asked| Some(broken(asked)));
        let mut watch = Watch::new().with_environment(&far.url);
        watch.run_and_kill(&["apply", "--yes", "--events", "e.ndjson", "--log-level", "trace", "--http-trace"], || {
            far.asked().iter().filter(|asked| asked.action() == "DescribeInstances").count() > 2
        });
        // What is not known stays in the journal, body and all.
        let files = watch.check_files();
        assert!(files.iter().any(|file| file.ends_with("canary.json.journal")), "{files:?}");
        watch.run(&["plan"]);
        watch.run(&["plan", "--json"]);
        assert!(far.asked().iter().any(|asked| head(asked).contains(PASSWORD)));
    }
}

#[test]
fn profiles_and_roles() {
    let far = cloud(|_| None);
    let mut watch = Watch::new();
    watch.place.set("LHPROV_ENDPOINT", &far.url);
    let profile = json!({"secretId": "AKIDPROFILE", "secretKey": PROFILE_KEY, "token": PROFILE_TOKEN,
        "role-arn": "qcs::cam::uin/1:roleName/a", "role-session-name": "ci"});
    watch.profile(&profile);
    watch.run(&["auth", "whoami"]).expect(0);
    watch.run(&["apply", "--yes", "--events", "e.ndjson"]).expect(0);
    let tokens: Vec<String> = far.asked().iter().map(|asked| asked.header("X-TC-Token").to_owned()).collect();
    assert!(tokens.iter().any(|token| token == PROFILE_TOKEN) && tokens.iter().any(|token| token == ROLE_TOKEN));
    // An answer of STS that breaks off, is no JSON, or lacks something.
    let whole = role().to_string();
    let cut = Far::start(move |_| (200, "application/json", whole[..whole.len() - 60].to_owned()));
    let without = Far::start(|_| {
        let mut answer = role();
        answer["Response"]["ExpiredTime"] = json!("never");
        answered(&answer)
    });
    let echo = Far::start(|asked| text(500, asked.raw.clone()));
    for far in [&cut, &without, &echo] {
        watch.place.set("LHPROV_ENDPOINT", &far.url);
        watch.run(&["auth", "whoami"]).expect(1);
    }
    // Profiles that are wrong in every way.
    for broken in [
        format!("{{\"secretId\": \"AKID\", \"secretKey\": {PROFILE_KEY}}}"),
        format!("{{\"secretKey\": \"{PROFILE_KEY}\"}}"),
        format!("{{\"secretId\": \"AKID\", \"secretKey\": \"{PROFILE_KEY} x\"}}"),
        format!("{{\"secretId\": \"AKID\", \"secretKey\": [\"{PROFILE_KEY}\"]}}"),
        format!("{{\"secretId\": \"AKID\", \"secretKey\": \"{PROFILE_KEY}\", \"role-arn\": \"x\"}}"),
        format!("secretKey = {PROFILE_KEY}"),
    ] {
        watch.place.write(".tccli/default.credential", &broken);
        watch.run(&["auth", "whoami"]).expect(1);
        watch.run(&["plan"]).expect(1);
    }
    watch.check_files();
}

#[test]
fn the_role_of_the_machine() {
    let far = cloud(|_| None);
    let metadata = |answer: fn() -> Answer| {
        Far::start(move |asked| if asked.path.ends_with('/') { text(200, "deploy") } else { answer() })
    };
    let good = metadata(|| answered(&machine()));
    let cut = metadata(|| (200, "application/json", machine().to_string()[..150].to_owned()));
    let without =
        metadata(|| answered(&json!({"Token": MACHINE_TOKEN, "TmpSecretKey": MACHINE_KEY, "Code": "Failed"})));
    let wrong = metadata(|| text(500, machine().to_string()));
    let as_name = Far::start(|_| answered(&machine()));
    for (metadata, code) in [(&good, 0), (&cut, 1), (&without, 1), (&wrong, 1), (&as_name, 1)] {
        let mut watch = Watch::new();
        watch.place.set("LHPROV_ENDPOINT", &far.url);
        watch.place.set("LHPROV_METADATA_URL", &metadata.url);
        watch.run(&["auth", "whoami"]).expect(code);
        watch.run(&["apply", "--yes", "--events", "e.ndjson"]).expect(code);
        watch.check_files();
    }
    assert!(far.asked().iter().any(|asked| asked.header("X-TC-Token") == MACHINE_TOKEN));
}

#[test]
fn environments_that_are_wrong() {
    let mut watch = Watch::new();
    watch.place.set("TENCENTCLOUD_SECRET_KEY", KEY);
    watch.run(&["plan"]).expect(1);
    watch.place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLEEXAMPLE");
    watch.place.set("LHPROV_METADATA_URL", &format!("http://user:{PROXY_PASSWORD}@example.com"));
    watch.place.set("LHPROV_ENDPOINT", &format!("https://user:{PROXY_PASSWORD}@example.com"));
    watch.run(&["plan"]).expect(64);
    watch.run(&["auth", "whoami", "--endpoint", &format!("ftp://{PROXY_PASSWORD}@example.com")]).expect(64);
    let mut watch = Watch::new();
    watch.place.set("LHPROV_METADATA_URL", &format!("http://user:{PROXY_PASSWORD}@example.com"));
    watch.run(&["plan"]).expect(1);
    let mut watch = Watch::new();
    watch.place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLEEXAMPLE");
    watch.place.set("TENCENTCLOUD_SECRET_KEY", &format!("{KEY}\u{7}x"));
    watch.run(&["plan"]).expect(1);
    watch.place.set("TENCENTCLOUD_SECRET_KEY", KEY);
    watch.place.set("HTTPS_PROXY", &format!("http://user:{PROXY_PASSWORD}@[::bad"));
    watch.run(&["auth", "whoami"]).expect(1);
    // A password that is none is refused without being shown.
    watch.place.set("DB_PASSWORD", &PASSWORD.repeat(9));
    watch.run(&["plan"]).expect(1);
}

/// What a panic or an assertion could show: the debug form of everything that holds a secret.
#[test]
fn panics() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("lighthouse.yaml"), MANIFEST).expect("written");
    std::fs::write(folder.path().join("secret.txt"), FILE_PASSWORD).expect("written");
    let variables: BTreeMap<&str, &str> = BTreeMap::from([
        ("DB_PASSWORD", PASSWORD),
        ("TENCENTCLOUD_SECRET_ID", "AKID"),
        ("TENCENTCLOUD_SECRET_KEY", KEY),
        ("TENCENTCLOUD_TOKEN", TOKEN),
    ]);
    let variable = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let (state, ..) = desired::load(
        folder.path(),
        &[PathBuf::from("lighthouse.yaml")],
        &[],
        &lhprov::manifest::Given::default(),
        &variable,
    );
    let state = state.expect("a manifest that holds");
    let found = find(&Surroundings { variable: &variable, home: None, profile: None }).expect("credentials");
    let endpoint = Endpoint::parse("http://127.0.0.1:9").expect("an endpoint");
    let options = HttpOptions::new(endpoint, "ap-guangzhou", found.clone());
    let panicked = std::panic::catch_unwind(move || {
        std::panic::panic_any(format!("{state:?} {found:?} {options:?}"));
    });
    let told = panicked.expect_err("a panic").downcast::<String>().expect("a text");
    assert!(told.contains("canary") && told.contains("AKID"), "{told}");
    clean("a panic", told.as_bytes());
}
