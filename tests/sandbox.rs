//! The sandbox from outside: over real sockets, and several processes' worth of stores on one folder.

use hmac::{Hmac, KeyInit, Mac};
use lhprov::clock::{BoxFuture, Clock};
use lhprov::cloud::client::{HttpClient, HttpOptions};
use lhprov::cloud::credential::Credential;
use lhprov::cloud::endpoint::Endpoint;
use lhprov::cloud::port::{Service as ServiceName, Transport};
use lhprov::cloud::{CloudError, ErrorClass};
use lhprov::model::{Secret, Timestamp};
use lhprov::sandbox::fault::Faults;
use lhprov::sandbox::port::InProcess;
use lhprov::sandbox::server::{ServeOptions, bind};
use lhprov::sandbox::service::Service;
use lhprov::sandbox::settings::Settings;
use lhprov::sandbox::store::{self, Store};
use lhprov::sandbox::verify::{SECRET_ID, SECRET_KEY};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

const NOW: i64 = 1_700_000_000;
const BUNDLE: &str = "bundle_rs_nmc_lin_med2_01";
const BLUEPRINT: &str = "lhbp-f1lkcd41";
const REGION: &str = "ap-guangzhou";

/// A clock that only sleeping moves.
struct Standing(AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
        Box::pin(async {})
    }
}

fn clock() -> Arc<Standing> {
    Arc::new(Standing(AtomicI64::new(NOW * 1000)))
}

fn faults(texts: &[&str]) -> Faults {
    Faults::new(1, texts.iter().map(|text| text.parse().unwrap()).collect())
}

struct Running {
    address: SocketAddr,
    service: Arc<Service>,
    announced: String,
    // Dropping it ends the server.
    _stop: oneshot::Sender<()>,
}

async fn start(data: Option<&Path>, tls: bool, texts: &[&str]) -> Running {
    let options = ServeOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: data.map(Path::to_owned),
        tls,
        settings: Settings::default(),
        faults: faults(texts),
    };
    let server = bind(options, clock()).await.unwrap();
    let (address, service, announced) = (server.address(), Arc::clone(server.service()), server.announce());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(async {
        let _dropped = stopped.await;
    }));
    Running { address, service, announced, _stop: stop }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut state = Hmac::<Sha256>::new_from_slice(key).unwrap();
    state.update(text.as_bytes());
    state.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request as bytes, signed with these 20 lines and nobody else's.
fn signed(method: &str, query: &str, action: &str, body: &str, key: &str, secs: i64) -> String {
    let signer = Signer { id: SECRET_ID, key, token: None, service: "lighthouse", version: "2020-03-24" };
    signed_as(&signer, method, query, action, body, secs)
}

/// In whose name, and for which service.
struct Signer<'a> {
    id: &'a str,
    key: &'a str,
    token: Option<&'a str>,
    service: &'a str,
    version: &'a str,
}

fn signed_as(signer: &Signer<'_>, method: &str, query: &str, action: &str, body: &str, secs: i64) -> String {
    let Signer { id, key, token, service, version } = signer;
    let token = token.map(|token| format!("X-TC-Token: {token}\r\n")).unwrap_or_default();
    let date = Timestamp::from_secs(secs).date();
    let content_type = if method == "GET" { "application/x-www-form-urlencoded" } else { "application/json" };
    let canonical = format!(
        "{method}\n/\n{query}\ncontent-type:{content_type}\nhost:sandbox.test\n\ncontent-type;host\n{}",
        hex(&Sha256::digest(body))
    );
    let scope = format!("{date}/{service}/tc3_request");
    let to_sign = format!("TC3-HMAC-SHA256\n{secs}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let signing = mac(&mac(&mac(format!("TC3{key}").as_bytes(), &date), service), "tc3_request");
    let signature = hex(&mac(&signing, &to_sign));
    let path = if query.is_empty() { "/".to_owned() } else { format!("/?{query}") };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: sandbox.test\r\nContent-Type: {content_type}\r\nX-TC-Action: {action}\r\n\
         X-TC-Version: {version}\r\n{token}X-TC-Region: {REGION}\r\nX-TC-Timestamp: {secs}\r\nConnection: close\r\n\
         Authorization: TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=content-type;host, \
         Signature={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends bytes, gives all that comes back until the connection ends.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _reset_or_end = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn response(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let document: Value = serde_json::from_str(body).unwrap();
    let id = document["Response"]["RequestId"].as_str().unwrap();
    assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
    document["Response"].clone()
}

async fn call(address: SocketAddr, action: &str, body: &Value) -> Value {
    response(&exchange(address, &signed("POST", "", action, &body.to_string(), SECRET_KEY, NOW)).await)
}

fn code(response: &Value) -> &str {
    response["Error"]["Code"].as_str().unwrap_or("none")
}

fn order(count: u32, token: &str) -> Value {
    json!({
        "BundleId": BUNDLE, "BlueprintId": BLUEPRINT, "InstanceChargePrepaid": { "Period": 1 },
        "InstanceCount": count, "InstanceName": "web", "ClientToken": token
    })
}

async fn total(address: SocketAddr) -> u64 {
    call(address, "DescribeInstances", &json!({})).await["TotalCount"].as_u64().unwrap()
}

#[tokio::test]
async fn signatures_and_times() {
    let sandbox = start(None, false, &[]).await;
    let answered = async |key: &str, secs: i64| {
        let answer = exchange(sandbox.address, &signed("POST", "", "DescribeZones", "{}", key, secs)).await;
        code(&response(&answer)).to_owned()
    };
    assert_eq!(answered(SECRET_KEY, NOW).await, "none");
    assert_eq!(answered("wrong", NOW).await, "AuthFailure.SignatureFailure");
    assert_eq!(answered(SECRET_KEY, NOW - 301).await, "AuthFailure.SignatureExpire");
    assert_eq!(answered(SECRET_KEY, NOW + 301).await, "AuthFailure.SignatureExpire");
    let other_body = signed("POST", "", "DescribeZones", "{}", SECRET_KEY, NOW).replace("\r\n\r\n{}", "\r\n\r\n[]");
    assert_eq!(code(&response(&exchange(sandbox.address, &other_body).await)), "AuthFailure.SignatureFailure");
    let other_id = signed("POST", "", "DescribeZones", "{}", SECRET_KEY, NOW).replace(SECRET_ID, "AKIDOTHER");
    assert_eq!(code(&response(&exchange(sandbox.address, &other_id).await)), "AuthFailure.SecretIdNotFound");
    let no_action = signed("POST", "", "DescribeZones", "{}", SECRET_KEY, NOW).replace("X-TC-Action", "X-Other");
    assert_eq!(code(&response(&exchange(sandbox.address, &no_action).await)), "MissingParameter");
    let no_json = signed("POST", "", "DescribeZones", "{", SECRET_KEY, NOW);
    assert_eq!(code(&response(&exchange(sandbox.address, &no_json).await)), "InvalidRequest");
    let path = signed("POST", "", "DescribeZones", "{}", SECRET_KEY, NOW).replacen(" / ", " /v2 ", 1);
    assert_eq!(code(&response(&exchange(sandbox.address, &path).await)), "UnsupportedProtocol");
    let lines: Vec<&str> = sandbox.announced.lines().collect();
    assert_eq!(lines[0], format!("http://{}", sandbox.address));
    assert_eq!(lines[1], format!("LHPROV_ENDPOINT=http://{}", sandbox.address));
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn a_role_is_assumed_and_its_credentials_end() {
    let sandbox = start(None, false, &["delay=901s:DescribeZones:at=1"]).await;
    let ask = async |signer: &Signer<'_>, action: &str, body: &Value, secs: i64| {
        response(&exchange(sandbox.address, &signed_as(signer, "POST", "", action, &body.to_string(), secs)).await)
    };
    let owner = Signer { id: SECRET_ID, key: SECRET_KEY, token: None, service: "sts", version: "2018-08-13" };
    let who = ask(&owner, "GetCallerIdentity", &json!({}), NOW).await;
    assert_eq!(who["Type"], "CAMUser", "{who}");
    let role = json!({
        "RoleArn": format!("qcs::cam::uin/{}:roleName/deploy", who["AccountId"].as_str().unwrap()),
        "RoleSessionName": "ci", "DurationSeconds": 900
    });
    let given = ask(&owner, "AssumeRole", &role, NOW).await["Credentials"].clone();
    let text = |name: &str| given[name].as_str().unwrap().to_owned();
    let (id, key, token) = (text("TmpSecretId"), text("TmpSecretKey"), text("Token"));
    let temporary = Signer { id: &id, key: &key, token: Some(&token), ..owner };
    assert_eq!(ask(&temporary, "GetCallerIdentity", &json!({}), NOW).await["Type"], "CAMRole");
    let altered = token.replace("deploy", "admin");
    for (signer, want) in [
        (Signer { token: None, ..temporary }, "AuthFailure.SecretIdNotFound"),
        (Signer { token: Some(&altered), ..temporary }, "AuthFailure.TokenFailure"),
        (Signer { token: Some(&token), ..owner }, "AuthFailure.SecretIdNotFound"),
        (Signer { key: SECRET_KEY, ..temporary }, "AuthFailure.SignatureFailure"),
    ] {
        assert_eq!(code(&ask(&signer, "GetCallerIdentity", &json!({}), NOW).await), want);
    }
    // The answer is late, and so the clock moves on.
    let lighthouse = Signer { service: "lighthouse", version: "2020-03-24", ..temporary };
    assert_eq!(code(&ask(&lighthouse, "DescribeZones", &json!({}), NOW).await), "none");
    assert_eq!(code(&ask(&lighthouse, "DescribeZones", &json!({}), NOW + 901).await), "AuthFailure.TokenFailure");
}

/// A request without a signature.
fn unsigned(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: sandbox.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn beside_the_api() {
    let sandbox = start(None, false, &[]).await;
    let bought = call(sandbox.address, "CreateInstances", &order(1, "t1")).await;
    let id = bought["InstanceIdSet"][0].as_str().unwrap();
    let path = format!("/sandbox/instances/{id}");
    let ask =
        async |method: &str, path: &str, body: &str| exchange(sandbox.address, &unsigned(method, path, body)).await;
    let changed = response(&ask("POST", &path, r#"{"InstanceState": "RESCUE_MODE"}"#).await);
    assert_eq!(changed["InstanceState"], "RESCUE_MODE", "{changed}");
    let shown = call(sandbox.address, "DescribeInstances", &json!({"InstanceIds": [id]})).await;
    assert_eq!(shown["InstanceSet"][0]["InstanceState"], "RESCUE_MODE");
    assert_eq!(response(&ask("GET", &path, "").await)["bundle"], BUNDLE);
    assert_eq!(code(&response(&ask("POST", &path, "{").await)), "InvalidRequest");
    assert_eq!(
        code(&response(&ask("POST", "/sandbox/instances/x", "{}").await)),
        "ResourceNotFound.InstanceIdNotFound"
    );
    assert!(ask("PUT", &path, "{}").await.starts_with("HTTP/1.1 404 "));
    assert_eq!(code(&response(&ask("DELETE", &path, "").await)), "none");
    assert_eq!(total(sandbox.address).await, 0);
    let status = sandbox.service.store().status(Timestamp::from_secs(NOW)).unwrap();
    assert_eq!(status.counts.calls["(outside the API)"], 4);

    let metadata = "/latest/meta-data/cam/security-credentials/";
    let named = ask("GET", metadata, "").await;
    let role = named.rsplit("\r\n\r\n").next().unwrap();
    let answer = ask("GET", &format!("{metadata}{role}"), "").await;
    let given: Value = serde_json::from_str(answer.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    assert_eq!(given["Code"], "Success", "{given}");
    let text = |name: &str| given[name].as_str().unwrap();
    let machine = Signer {
        id: text("TmpSecretId"),
        key: text("TmpSecretKey"),
        token: Some(text("Token")),
        service: "sts",
        version: "2018-08-13",
    };
    let who = signed_as(&machine, "POST", "", "GetCallerIdentity", "{}", NOW);
    assert_eq!(response(&exchange(sandbox.address, &who).await)["UserId"], json!(format!("{role}:cvm")));
    assert!(ask("GET", &format!("{metadata}other"), "").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn permissions_and_operations_fail_on_demand() {
    let clock = clock();
    let texts = ["denied:DescribeBundles:at=1", "operation-failed:StopInstances:at=1", "denied:ModifyResourceTags"];
    let sandbox = in_process(None, &texts, Arc::clone(&clock));
    let error = ask(&sandbox, "DescribeBundles", &json!({})).await.unwrap_err();
    assert_eq!((error.code.as_deref(), error.class), (Some("UnauthorizedOperation.NoPermission"), ErrorClass::Auth));
    ask(&sandbox, "DescribeBundles", &json!({})).await.unwrap();
    let bought = ask(&sandbox, "CreateInstances", &order(1, "t")).await.unwrap();
    let body = json!({"InstanceIds": bought["InstanceIdSet"]});
    clock.sleep(Duration::from_secs(5)).await;
    let after_stop = async || {
        ask(&sandbox, "StopInstances", &body).await.unwrap();
        clock.sleep(Duration::from_secs(5)).await;
        let shown = ask(&sandbox, "DescribeInstances", &body).await.unwrap()["InstanceSet"][0].clone();
        format!("{} {}", shown["LatestOperationState"].as_str().unwrap(), shown["InstanceState"].as_str().unwrap())
    };
    assert_eq!(after_stop().await, "FAILED RUNNING");
    assert_eq!(after_stop().await, "SUCCESS STOPPED");
}

#[tokio::test]
async fn purchases() {
    let sandbox = start(None, false, &[]).await;
    let first = call(sandbox.address, "CreateInstances", &order(2, "t1")).await;
    let again = call(sandbox.address, "CreateInstances", &order(2, "t1")).await;
    assert_eq!(first["InstanceIdSet"].as_array().map(Vec::len), Some(2), "{first}");
    assert_eq!(first["InstanceIdSet"], again["InstanceIdSet"]);
    assert_ne!(first["RequestId"], again["RequestId"]);
    let too_many = call(sandbox.address, "CreateInstances", &order(31, "t2")).await;
    assert!(code(&too_many).starts_with("InvalidParameterValue"), "{too_many}");
    assert_eq!(total(sandbox.address).await, 2);
    let ids = first["InstanceIdSet"].clone();
    let query = format!("InstanceIds.0={}&Limit=100", ids[0].as_str().unwrap());
    let got = exchange(sandbox.address, &signed("GET", &query, "DescribeInstances", "", SECRET_KEY, NOW)).await;
    let got = response(&got);
    assert_eq!((&got["TotalCount"], &got["InstanceSet"][0]["InstanceId"]), (&json!(1), &ids[0]), "{got}");
}

#[tokio::test]
async fn over_the_rate() {
    let sandbox = start(None, false, &[]).await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(code(&call(sandbox.address, "DescribeBundles", &json!({})).await).to_owned());
    }
    assert_eq!(codes, ["none", "none", "none", "none", "none", "RequestLimitExceeded"]);
}

#[tokio::test]
async fn broken_connections() {
    let texts = [
        "lost-before:CreateInstances:at=1",
        "lost-after:CreateInstances:at=2",
        "cut=130:CreateInstances:at=3",
        "status-after:CreateInstances:at=4",
        "internal-after:CreateInstances:at=5",
    ];
    let sandbox = start(None, false, &texts).await;
    let buy = async |token: &str| {
        let body = order(1, token).to_string();
        exchange(sandbox.address, &signed("POST", "", "CreateInstances", &body, SECRET_KEY, NOW)).await
    };
    assert_eq!(buy("a").await, "");
    assert_eq!(total(sandbox.address).await, 0);
    assert_eq!(buy("b").await, "");
    assert_eq!(total(sandbox.address).await, 1);
    let cut = buy("c").await;
    assert_eq!(cut.len(), 130, "{cut}");
    assert_eq!(total(sandbox.address).await, 2);
    assert!(buy("d").await.starts_with("HTTP/1.1 502 "));
    assert_eq!(code(&response(&buy("e").await)), "InternalError");
    assert_eq!(total(sandbox.address).await, 4);
    let status = sandbox.service.store().status(Timestamp::from_secs(NOW)).unwrap();
    assert_eq!(status.counts.calls["CreateInstances"], 5);
    assert_eq!(status.counts.faults["lost-after"], 1);
    assert_eq!(status.instances["PENDING"], 4);
}

#[tokio::test]
async fn tls_with_an_authority_that_stays() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = start(Some(dir.path()), true, &[]).await;
    let ca = dir.path().join("ca.pem");
    assert_eq!(sandbox.announced.lines().last(), Some(format!("LHPROV_CA_FILE={}", ca.display()).as_str()));
    let before = std::fs::read(&ca).unwrap();
    let restarted = start(Some(dir.path()), true, &[]).await;
    assert_eq!(std::fs::read(&ca).unwrap(), before);
    let client = |address: SocketAddr, ca: Option<&Path>| {
        let credential =
            Credential { secret_id: SECRET_ID.to_owned(), secret_key: Secret::new(SECRET_KEY.to_owned()), token: None };
        let endpoint = Endpoint::parse(&format!("https://{address}")).unwrap();
        let options = HttpOptions { ca_file: ca.map(Path::to_owned), ..HttpOptions::new(endpoint, REGION, credential) };
        HttpClient::new(options, clock())
    };
    for address in [sandbox.address, restarted.address] {
        let reply = ask(&client(address, Some(&ca)).unwrap(), "DescribeRegions", &json!({})).await.unwrap();
        assert!(reply["TotalCount"].as_u64() > Some(0), "{reply}");
    }
    // A machine without any root certificates makes no such client.
    if let Ok(stranger) = client(sandbox.address, None) {
        let error = ask(&stranger, "DescribeRegions", &json!({})).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NotSent);
    }
}

async fn ask(transport: &impl Transport, action: &'static str, body: &Value) -> Result<Value, CloudError> {
    let prepared = transport.prepare(ServiceName::Lighthouse, action, body.to_string()).await?;
    transport.send(prepared).await?.read(action)
}

fn in_process(dir: Option<&Path>, texts: &[&str], clock: Arc<Standing>) -> InProcess {
    let store = match dir {
        Some(dir) => Store::open(dir, Settings::default()).unwrap(),
        None => Store::memory(Settings::default()),
    };
    InProcess::new(Arc::new(Service::new(store, faults(texts))), clock, REGION)
}

#[tokio::test]
async fn two_stores_on_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let one = in_process(Some(dir.path()), &[], Arc::clone(&clock));
    let two = in_process(Some(dir.path()), &[], Arc::clone(&clock));
    let bought = ask(&one, "CreateInstances", &order(3, "t1")).await.unwrap();
    let again = ask(&two, "CreateInstances", &order(3, "t1")).await.unwrap();
    assert_eq!(bought["InstanceIdSet"], again["InstanceIdSet"]);
    ask(&two, "CreateInstances", &order(1, "t2")).await.unwrap();
    assert_eq!(ask(&one, "DescribeInstances", &json!({})).await.unwrap()["TotalCount"], 4);
    // A process that died while it wrote.
    let log = dir.path().join("account.log");
    std::fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"{\"action\":\"Cre").unwrap();
    clock.sleep(Duration::from_secs(5)).await;
    let three = in_process(Some(dir.path()), &[], Arc::clone(&clock));
    for store in [&three, &one, &two] {
        let list = ask(store, "DescribeInstances", &json!({})).await.unwrap();
        let states: Vec<_> =
            list["InstanceSet"].as_array().unwrap().iter().map(|i| i["InstanceState"].clone()).collect();
        assert_eq!(states, ["RUNNING"; 4], "{list}");
    }
    assert_eq!(store::saved_settings(dir.path()).unwrap(), Some(Settings::default()));
    assert!(store::reset(dir.path()).unwrap());
    assert_eq!(ask(&one, "DescribeInstances", &json!({})).await.unwrap()["TotalCount"], 0);
    ask(&two, "CreateInstances", &order(2, "t1")).await.unwrap();
    assert_eq!(ask(&one, "DescribeInstances", &json!({})).await.unwrap()["TotalCount"], 2);
}

#[test]
fn many_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { rate_limits: [("CreateInstances".to_owned(), 0)].into(), ..Settings::default() };
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (dir, settings) = (dir.path(), settings.clone());
            scope.spawn(move || {
                let service = Service::new(Store::open(dir, settings).unwrap(), Faults::default());
                let transport = InProcess::new(Arc::new(service), clock(), REGION);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for number in 0..15 {
                    let body = order(1, &format!("{worker}-{number}"));
                    runtime.block_on(ask(&transport, "CreateInstances", &body)).unwrap();
                }
            });
        }
    });
    let store = Store::open(dir.path(), settings).unwrap();
    let status = store.status(Timestamp::from_secs(NOW)).unwrap();
    assert_eq!((status.instances["PENDING"], status.counts.calls["CreateInstances"]), (60, 60));
}

#[tokio::test]
async fn a_long_log_is_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let live = in_process(Some(dir.path()), &[], Arc::clone(&clock));
    ask(&live, "CreateInstances", &order(2, "t1")).await.unwrap();
    let log = dir.path().join("account.log");
    let filler = "{\"action\":\"DescribeZones\"}\n".repeat(50_000);
    std::fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(filler.as_bytes()).unwrap();
    let later = in_process(Some(dir.path()), &[], Arc::clone(&clock));
    assert!(std::fs::metadata(&log).unwrap().len() < 100);
    ask(&later, "CreateInstances", &order(1, "t2")).await.unwrap();
    for store in [&live, &later] {
        assert_eq!(ask(store, "DescribeInstances", &json!({})).await.unwrap()["TotalCount"], 3);
    }
    let counts = live.service().store().status(clock.now()).unwrap().counts;
    assert_eq!((counts.calls["DescribeZones"], counts.calls["CreateInstances"]), (50_000, 2));
    // As if the process had died between the two files: the old log is still there.
    let text = std::fs::read_to_string(dir.path().join("account.json")).unwrap();
    let contains = serde_json::from_str::<Value>(&text).unwrap()["contains"].as_str().unwrap().to_owned();
    std::fs::write(&log, format!("{{\"log\":\"{contains}\"}}\n{filler}")).unwrap();
    assert_eq!(ask(&later, "DescribeInstances", &json!({})).await.unwrap()["TotalCount"], 2);
    std::fs::write(&log, "{\"log\":\"other\"}\n").unwrap();
    assert!(Store::open(dir.path(), Settings::default()).is_err());
}

#[tokio::test]
async fn classes_in_process() {
    let texts = [
        "lost-before:CreateInstances:at=1",
        "lost-after:CreateInstances:at=2",
        "status-before:CreateInstances:at=3",
        "throttle:CreateInstances:at=4",
        "sold-out:CreateInstances:at=5",
        "cut:DescribeZones:at=1",
        "delay=3s:DescribeZones:at=2",
        "delay=2m:DescribeZones:at=3",
    ];
    let clock = clock();
    let sandbox = in_process(None, &texts, Arc::clone(&clock));
    assert_eq!(sandbox.endpoint(), "sandbox");
    let mut classes = Vec::new();
    for number in 0..5 {
        classes.push(ask(&sandbox, "CreateInstances", &order(1, &format!("t{number}"))).await.unwrap_err().class);
        clock.sleep(Duration::from_secs(1)).await;
    }
    use ErrorClass::{Ambiguous, Refused, Throttled};
    assert_eq!(classes, [Ambiguous, Ambiguous, Ambiguous, Throttled, Refused]);
    assert_eq!(ask(&sandbox, "DescribeInstances", &json!({})).await.unwrap()["TotalCount"], 1);
    assert_eq!(ask(&sandbox, "DescribeZones", &json!({})).await.unwrap_err().class, Ambiguous);
    let before = clock.now();
    ask(&sandbox, "DescribeZones", &json!({})).await.unwrap();
    assert_eq!(clock.now().since(before), Duration::from_secs(3));
    // Later than anybody waits: the client has gone by then.
    let before = clock.now();
    let error = ask(&sandbox, "DescribeZones", &json!({})).await.unwrap_err();
    assert!(error.class == Ambiguous && error.message.contains("no answer from the sandbox within"), "{error}");
    assert_eq!(clock.now().since(before), Duration::from_secs(60));
    let stale = sandbox.prepare(ServiceName::Lighthouse, "CreateInstances", order(1, "s").to_string()).await.unwrap();
    clock.sleep(Duration::from_secs(301)).await;
    assert_eq!(sandbox.send(stale).await.unwrap_err().class, ErrorClass::SignatureExpired);
}
