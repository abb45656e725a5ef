//! For tests with real processes: a served sandbox, the command in a folder of its own, and children that never outlive
//! the test.

// Each test uses its part.
#![allow(dead_code, clippy::print_stderr)]

pub mod require;

use lhprov::model::Timestamp;
use lhprov::sandbox::call::Call;
use lhprov::sandbox::store::{Store, saved_settings};
use lhprov::state::{AppliedSpec, codec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A process that ends with its owner, however that ends.
pub struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // One that has ended already is no failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Deref for Owned {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Owned {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Owned {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the command starts"))
    }

    /// Its exit code, as a shell sees it, if it ends within `limit`.
    pub fn code_within(&mut self, limit: Duration) -> Option<i32> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().expect("its status") {
                #[cfg(unix)]
                let by_signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|number| 128 + number);
                #[cfg(not(unix))]
                let by_signal = None;
                return status.code().or(by_signal);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        // It may have ended a moment ago.
        let _ = Command::new("kill").args(["-s", name, &id]).stderr(Stdio::null()).status().expect("kill");
    }
}

/// A folder that stays where the test fails.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// Reads a file; empty if it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    /// The command in this folder, with nothing of our environment but what is given. Its output goes to the end of `log`.
    pub fn command(&self, arguments: &[&str], log: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lhprov"));
        let path = self.path().join(log);
        let file = File::options().append(true).create(true).open(path).expect("a log");
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path()).stdin(Stdio::null());
        // No test asks the network what role this machine has.
        command.env("LHPROV_METADATA_URL", "http://127.0.0.1:9");
        command.stdout(file.try_clone().expect("a second handle")).stderr(file);
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("kept: {}", self.path().display());
        }
    }
}

/// A sandbox that is served from `box` in a folder.
pub struct Sandbox {
    /// The URL.
    pub url: String,
    data: PathBuf,
    process: Owned,
}

impl Sandbox {
    /// Serves it, on a free port.
    pub fn serve(folder: &Folder, flags: &[&str]) -> Self {
        Self::serve_at(folder, "127.0.0.1:0", flags)
    }

    fn serve_at(folder: &Folder, address: &str, flags: &[&str]) -> Self {
        let arguments = [&["sandbox", "serve", "--data", "box", "--listen", address], flags].concat();
        let mut process = Owned::start(folder.command(&arguments, "serve.log").stdout(Stdio::piped()));
        let mut lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        let url = lines.next().unwrap_or_else(|| panic!("no URL: {}", folder.read("serve.log"))).expect("UTF-8");
        Self { url, data: folder.path().join("box"), process }
    }

    /// The same account on the same port, with other flags. The one before is killed, not asked to end.
    #[must_use]
    pub fn serve_again(self, folder: &Folder, flags: &[&str]) -> Self {
        let address = self.url.trim_start_matches("http://").to_owned();
        let Self { process, .. } = self;
        drop(process);
        Self::serve_at(folder, &address, flags)
    }

    /// Lets a command talk to it.
    pub fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LHPROV_ENDPOINT", &self.url)
            .env("TENCENTCLOUD_SECRET_ID", lhprov::sandbox::verify::SECRET_ID)
            .env("TENCENTCLOUD_SECRET_KEY", lhprov::sandbox::verify::SECRET_KEY)
    }

    /// Does something to it that the API cannot do: the body of the answer.
    pub fn outside(&self, method: &str, path: &str, body: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the sandbox");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }

    fn store(&self) -> Store {
        let settings = saved_settings(&self.data).expect("settings").unwrap_or_default();
        Store::open(&self.data, settings).expect("the sandbox's folder")
    }

    /// Names and states of all instances of a region by id, as the account has them.
    pub fn instances(&self, region: &str) -> BTreeMap<String, (String, String)> {
        let store = self.store();
        let mut all = BTreeMap::new();
        loop {
            let page = describe(&store, "DescribeInstances", region, all.len());
            let before = all.len();
            for instance in page["InstanceSet"].as_array().into_iter().flatten() {
                let text = |key: &str| instance[key].as_str().unwrap_or_default().to_owned();
                all.insert(text("InstanceId"), (text("InstanceName"), text("InstanceState")));
            }
            if all.len() == before || all.len() as u64 >= page["TotalCount"].as_u64().unwrap_or(0) {
                return all;
            }
        }
    }

    /// Id, state and end of the paid time of each data disk of a region.
    pub fn disks(&self, region: &str) -> Vec<[String; 3]> {
        let page = describe(&self.store(), "DescribeDisks", region, 0);
        let text = |disk: &Value, key: &str| disk[key].as_str().unwrap_or_default().to_owned();
        let disks = page["DiskSet"].as_array().into_iter().flatten();
        disks.map(|disk| ["DiskId", "DiskState", "ExpiredTime"].map(|key| text(disk, key))).collect()
    }

    /// How often an action was called, and how many faults fired.
    pub fn counts(&self, action: &str) -> (u64, u64) {
        let counts = self.store().status(now()).expect("its status").counts;
        (counts.calls.get(action).copied().unwrap_or(0), counts.faults.values().sum())
    }
}

/// A page of a hundred rows, as the account answers it.
fn describe(store: &Store, action: &str, region: &str, offset: usize) -> Value {
    let call = Call {
        service: "lighthouse".into(),
        action: action.into(),
        version: "2020-03-24".into(),
        region: region.into(),
        body: json!({"Offset": offset, "Limit": 100}),
        now: now(),
        request_id: "a-look-from-outside".into(),
    };
    store.call(&call, &Default::default(), &[]).expect("the folder").expect("an answer")
}

/// Ids by address, as a state file has them; checks that nothing else is left in it.
pub fn recorded(path: &Path) -> BTreeMap<String, String> {
    let (recorded, left_over) = recorded_and_left_over(path);
    assert!(left_over.is_empty(), "{left_over:?}");
    recorded
}

/// Ids by address, and the ids that no address stands for.
pub fn recorded_and_left_over(path: &Path) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let state = codec::decode(&bytes).expect("a state");
    let left_over = state.deposed.into_iter().map(|deposed| deposed.instance_id.0).collect();
    let recorded = state.instances.into_iter();
    (recorded.map(|(address, record)| (address.to_string(), record.instance_id.0)).collect(), left_over)
}

/// The names that the state wants, by id.
pub fn recorded_names(path: &Path) -> BTreeMap<String, String> {
    let state = codec::decode(&std::fs::read(path).expect("the state")).expect("a state");
    let name = |spec: &AppliedSpec| spec["instance_name"].as_str().unwrap_or_default().to_owned();
    state.instances.into_values().map(|record| (record.instance_id.0, name(&record.spec))).collect()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("before the year 292 million"))
}
