//! What every test needs: a folder, a clean environment, the command, and a cloud of twenty lines.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Where nobody answers: the port of `discard`, which no machine of today serves.
pub const NOBODY: &str = "http://127.0.0.1:9";

/// A folder with a manifest in it.
pub struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    /// Without any manifest.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    /// With this `lighthouse.yaml`.
    pub fn with(manifest: &str) -> Self {
        let place = Self::empty();
        place.write("lighthouse.yaml", manifest);
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("read")
    }

    /// Sets a variable for all commands from here on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Lets all commands talk to `cloud`.
    pub fn connect(&mut self, cloud: &Cloud) {
        self.set("LHPROV_ENDPOINT", &cloud.url);
        self.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
        self.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lhprov"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path()).stdin(Stdio::null());
        // No test asks the network what role this machine has.
        command.env("LHPROV_METADATA_URL", NOBODY);
        command.envs(self.variables.iter().cloned());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        said(&self.command(arguments).output().expect("the command starts"))
    }
}

pub fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Said {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    pub fn has_escape(&self) -> bool {
        self.out.contains('\u{1b}') || self.err.contains('\u{1b}')
    }
}

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A stack of one or two instances.
pub const SMALL: &str = "version: 1
stack: small
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  web: { count: 2, depends_on: [db] }
";

/// The few actions that an apply needs, over HTTP, nothing checked. What the emulator is for is tested with the emulator;
/// this shows that the wiring holds.
pub struct Cloud {
    pub url: String,
    pub shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
pub struct Shared {
    instances: BTreeMap<String, Value>,
    tokens: BTreeMap<String, Value>,
    /// Actions in the order of their calls.
    pub calls: Vec<String>,
    /// The state in which instances are born, and stay.
    pub born: Option<&'static str>,
    /// Code and message that purchases are refused with.
    pub refuse: Option<(&'static str, &'static str)>,
}

impl Cloud {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&all);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, shared }
    }

    pub fn calls(&self, action: &str) -> usize {
        self.shared.lock().unwrap().calls.iter().filter(|call| *call == action).count()
    }
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    loop {
        let (mut action, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "x-tc-action" => action = value.to_owned(),
                "content-length" => length = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut response = shared.lock().unwrap().answer(&action, &body);
        response["RequestId"] = json!("00000000-0000-4000-8000-000000000000");
        let text = json!({"Response": response}).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

impl Shared {
    /// Somebody else gives every instance this name.
    pub fn rename_all(&mut self, name: &str) {
        for instance in self.instances.values_mut() {
            instance["InstanceName"] = json!(name);
        }
    }

    pub fn answer(&mut self, action: &str, body: &Value) -> Value {
        // A dry run is none of the purchases that tests count.
        self.calls.push(if body["DryRun"] == true { "DryRun".to_owned() } else { action.to_owned() });
        match action {
            "GetCallerIdentity" => json!({"AccountId": "100000000001"}),
            "CreateInstances" if body["DryRun"] == true && self.refuse.is_none() => json!({}),
            "CreateInstances" => self.create(body),
            "InquirePriceCreateInstances" => {
                let total = 10 * body["InstanceCount"].as_u64().unwrap_or(1);
                json!({"Price": {"InstancePrice": {
                    "OriginalBundlePrice": 10, "OriginalPrice": total, "Discount": 100, "DiscountPrice": total, "Currency": "CNY",
                }}})
            }
            "DescribeBundles" => json!({"TotalCount": 1, "BundleSet": [{
                "BundleId": "bundle_rs_nmc_lin_med2_01", "BundleType": "GENERAL_BUNDLE", "BundleSalesState": "AVAILABLE",
                "SupportLinuxUnixPlatform": true, "CPU": 2, "Memory": 2, "SystemDiskSize": 50,
            }]}),
            "DescribeDisks" => json!({"TotalCount": 0, "DiskSet": []}),
            "DescribeSnapshots" => json!({"TotalCount": 0, "SnapshotSet": []}),
            "DescribeInstancesDeniedActions" => json!({"InstanceDeniedActionSet": []}),
            "DescribeInstancesReturnable" => json!({"TotalCount": 0, "InstanceReturnableSet": []}),
            "DescribeBlueprints" => json!({"TotalCount": 1, "BlueprintSet": [{
                "BlueprintId": "lhbp-f1lkcd41", "PlatformType": "LINUX_UNIX", "BlueprintState": "NORMAL",
            }]}),
            "DescribeGeneralResourceQuotas" => json!({"GeneralResourceQuotaSet": [{
                "ResourceName": "GENERAL_BUNDLE_INSTANCE", "ResourceQuotaAvailable": 100, "ResourceQuotaTotal": 100,
            }]}),
            "DescribeInstances" => {
                let ids = body["InstanceIds"].as_array();
                let wanted = |id: &String| ids.is_none_or(|ids| ids.iter().any(|wanted| wanted == id.as_str()));
                let found: Vec<&Value> =
                    self.instances.iter().filter(|(id, _)| wanted(id)).map(|(_, instance)| instance).collect();
                json!({"TotalCount": found.len(), "InstanceSet": found})
            }
            "ModifyInstancesAttribute" | "IsolateInstances" => {
                for id in body["InstanceIds"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let Some(instance) = self.instances.get_mut(id) else { continue };
                    match action {
                        "IsolateInstances" => instance["InstanceState"] = json!("SHUTDOWN"),
                        _ => instance["InstanceName"] = body["InstanceName"].clone(),
                    }
                }
                json!({})
            }
            "DescribeZones" => {
                json!({"TotalCount": 1, "ZoneInfoSet": [{"Zone": "ap-guangzhou-3", "ZoneName": "广州三区"}]})
            }
            _ => json!({"Error": {"Code": "InvalidAction", "Message": "no \u{1b}[31msuch action"}}),
        }
    }

    fn create(&mut self, body: &Value) -> Value {
        if let Some((code, message)) = self.refuse {
            return json!({"Error": {"Code": code, "Message": message}});
        }
        let token = body["ClientToken"].as_str().unwrap_or_default().to_owned();
        if let Some(answer) = self.tokens.get(&token) {
            return answer.clone();
        }
        let mut ids = Vec::new();
        for _ in 0..body["InstanceCount"].as_u64().unwrap_or(1) {
            let id = format!("lhins-{:08}", self.instances.len() + 1);
            let instance = json!({
                "InstanceId": id, "BundleId": body["BundleId"], "BlueprintId": body["BlueprintId"],
                "InstanceName": body["InstanceName"], "Zone": "ap-guangzhou-3", "Tags": body["Tags"],
                "RenewFlag": "NOTIFY_AND_MANUAL_RENEW", "InstanceState": self.born.unwrap_or("RUNNING"),
                "PublicAddresses": [format!("192.0.2.{}", self.instances.len() + 1)],
            });
            self.instances.insert(id.clone(), instance);
            ids.push(id);
        }
        self.tokens.insert(token, json!({"InstanceIdSet": ids}));
        json!({"InstanceIdSet": ids})
    }
}
