//! A sandbox over HTTP whose responses a test alters on their way: what the service might answer and the sandbox never does.

use super::support::Place;
use lhprov::model::Timestamp;
use lhprov::sandbox::call::Call;
use lhprov::sandbox::settings::Settings;
use lhprov::sandbox::store::Store;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// Changes what is under `Response` of the answer to an action.
type Alter = Box<dyn FnMut(&str, &mut Value) + Send>;

/// The sandbox in this process.
pub struct Altered {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    alter: Mutex<Alter>,
    /// Actions with the bodies of their requests.
    calls: Mutex<Vec<(String, Value)>>,
}

impl Altered {
    /// An empty account.
    pub fn start() -> Self {
        let settings = Settings { boot_ms: 50, isolate_ms: 50, operation_ms: 50, ..Settings::default() };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let alter: Mutex<Alter> = Mutex::new(Box::new(|_, _| {}));
        let shared = Arc::new(Shared { store: Store::memory(settings), alter, calls: Mutex::default() });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&all);
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { url, shared }
    }

    /// A folder with this manifest whose commands use this account.
    pub fn place(&self, manifest: &str) -> Place {
        let mut place = Place::with(manifest);
        place.set("LHPROV_ENDPOINT", &self.url);
        place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
        place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
        place
    }

    /// Alters responses from here on.
    pub fn alter(&self, alter: impl FnMut(&str, &mut Value) + Send + 'static) {
        *self.shared.alter.lock().unwrap() = Box::new(alter);
    }

    /// Lets responses be as they are.
    pub fn restore(&self) {
        self.alter(|_, _| {});
    }

    /// Bodies of the requests of an action so far, dry runs left out.
    pub fn requests(&self, action: &str) -> Vec<Value> {
        let calls = self.shared.calls.lock().unwrap();
        let of_action = calls.iter().filter(|(name, body)| name == action && body["DryRun"] != true);
        of_action.map(|(_, body)| body.clone()).collect()
    }

    /// Performs an action without the command.
    pub fn call(&self, action: &str, body: Value) -> Value {
        let service = if action.contains("Tag") { "tag" } else { "lighthouse" };
        self.shared.perform(service, action, body)
    }
}

impl Shared {
    fn perform(&self, service: &str, action: &str, body: Value) -> Value {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let version = if service == "lighthouse" { "2020-03-24" } else { "2018-08-13" };
        let call = Call {
            service: service.to_owned(),
            action: action.to_owned(),
            version: version.to_owned(),
            region: "ap-guangzhou".to_owned(),
            body,
            now: Timestamp(i64::try_from(since.as_millis()).expect("before the year 292 million")),
            request_id: format!("request-{}", self.calls.lock().unwrap().len()),
        };
        match self.store.call(&call, &Default::default(), &[]).expect("a store in memory") {
            Ok(mut response) => {
                response["RequestId"] = json!(call.request_id);
                response
            }
            Err(error) => {
                json!({"Error": {"Code": error.code, "Message": error.message}, "RequestId": call.request_id})
            }
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut action, mut service, mut length) = (String::new(), "lighthouse", 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { continue };
            match name.to_ascii_lowercase().as_str() {
                "x-tc-action" => action = value.to_owned(),
                "content-length" => length = value.parse().unwrap_or(0),
                "authorization" if value.contains("/tag/tc3_request") => service = "tag",
                "authorization" if value.contains("/sts/tc3_request") => service = "sts",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        shared.calls.lock().unwrap().push((action.clone(), body.clone()));
        let mut response = shared.perform(service, &action, body);
        if response.get("Error").is_none() {
            (shared.alter.lock().unwrap())(&action, &mut response);
        }
        let text = json!({"Response": response}).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(text.as_bytes())?;
    }
}
