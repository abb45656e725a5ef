//! The HTTP client over real loopback sockets, against a server that misbehaves on demand.
//!
//! What is at stake in each case is the class: `NotSent` where a request has certainly not arrived, `Ambiguous` wherever
//! it may have.

use lhprov::clock::{BoxFuture, Clock};
use lhprov::cloud::client::{ClientError, HttpClient, HttpOptions};
use lhprov::cloud::credential::Credential;
use lhprov::cloud::endpoint::Endpoint;
use lhprov::cloud::port::{Prepared, Service, Transport};
use lhprov::cloud::sign::{ToSign, authorization};
use lhprov::cloud::{CloudError, ErrorClass};
use lhprov::model::{Secret, Site, Timestamp};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;

/// A clock that stands until it is moved.
struct Standing(AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// What the server does with one request.
enum Act {
    /// Sends these bytes and keeps the connection.
    Answer(Vec<u8>),
    /// Sends these bytes and closes it.
    AnswerAndClose(Vec<u8>),
    /// Reads one byte of the request and drops the connection: the rest is unread, so the far side sees a reset.
    Reset,
    /// Reads the request and says nothing until the test is over.
    Silence,
    /// Sends this head, then spaces for as long as anybody reads.
    Endless(Vec<u8>),
}

struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Request>>>,
    // Dropping it ends every silence.
    _over: mpsc::Sender<()>,
}

impl Server {
    /// Acts on each request in turn, over however many connections they come.
    fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (over, is_over) = mpsc::channel();
        let (count, seen) = (Arc::clone(&connections), Arc::clone(&requests));
        let acts = Arc::new(Mutex::new(acts.into_iter()));
        let is_over = Arc::new(Mutex::new(is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let (acts, seen, is_over) = (Arc::clone(&acts), Arc::clone(&seen), Arc::clone(&is_over));
                std::thread::spawn(move || serve(&stream, &acts, &seen, &is_over));
            }
        });
        Self { port, connections, requests, _over: over }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> HttpClient {
        client(options(&self.url()))
    }
}

fn serve(
    stream: &TcpStream,
    acts: &Mutex<std::vec::IntoIter<Act>>,
    seen: &Mutex<Vec<Request>>,
    is_over: &Mutex<mpsc::Receiver<()>>,
) {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut writer = stream;
    loop {
        // Waiting for the first byte is not yet a request.
        if !matches!(reader.fill_buf(), Ok(bytes) if !bytes.is_empty()) {
            return;
        }
        let Some(act) = acts.lock().expect("acts").next() else { return };
        if matches!(act, Act::Reset) {
            return;
        }
        let Some(request) = read_request(&mut reader) else { return };
        seen.lock().expect("requests").push(request);
        match act {
            Act::Answer(bytes) => {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            }
            Act::AnswerAndClose(bytes) => {
                let _gone = writer.write_all(&bytes);
                let _gone = stream.shutdown(Shutdown::Both);
                return;
            }
            Act::Reset => unreachable!("handled above"),
            Act::Silence => {
                let _over = is_over.lock().expect("signal").recv();
                return;
            }
            Act::Endless(head) => {
                let mut written = writer.write_all(&head);
                while written.is_ok() {
                    written = writer.write_all(&[b' '; 65536]);
                }
                return;
            }
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: first, headers, body })
}

fn http(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn json(body: &str) -> Act {
    Act::Answer(http("200 OK", "application/json", body))
}

fn success() -> Act {
    json(r#"{"Response":{"TotalCount":0,"InstanceSet":[],"RequestId":"r-1"}}"#)
}

fn credential(token: Option<&str>) -> Credential {
    let secret_key = Secret::new("SECRETEXAMPLE");
    Credential { secret_id: "AKIDEXAMPLE".to_owned(), secret_key, token: token.map(Secret::new) }
}

fn options(url: &str) -> HttpOptions {
    HttpOptions::new(Endpoint::parse(url).expect("an endpoint"), "ap-guangzhou", credential(None))
}

fn client(options: HttpOptions) -> HttpClient {
    HttpClient::new(options, Arc::new(Standing(AtomicI64::new(NOW)))).expect("a client")
}

async fn prepare(client: &HttpClient, body: &str) -> Prepared {
    client.prepare(Service::Lighthouse, "DescribeInstances", body.to_owned()).await.expect("signed")
}

async fn call(client: &HttpClient) -> Result<String, CloudError> {
    let prepared = prepare(client, r#"{"Limit":1}"#).await;
    client.send(prepared).await.map(|reply| reply.request_id)
}

async fn fails(client: &HttpClient) -> (ErrorClass, String) {
    let error = call(client).await.expect_err("an error");
    (error.class, error.to_string())
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[tokio::test]
async fn success_and_what_was_sent() {
    let server = Server::start(vec![success()]);
    assert_eq!(call(&server.client()).await.expect("success"), "r-1");
    let requests = server.requests.lock().expect("requests");
    let request = &requests[0];
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.body, br#"{"Limit":1}"#);
    let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
    assert_eq!(header("x-tc-action"), "DescribeInstances");
    assert_eq!(header("x-tc-version"), "2020-03-24");
    assert_eq!(header("x-tc-timestamp"), "1700000000");
    assert_eq!(header("x-tc-region"), "ap-guangzhou");
    assert_eq!(header("x-tc-language"), "en-US");
    assert_eq!(header("x-tc-requestclient"), concat!("lhprov_", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("host"), format!("127.0.0.1:{}", server.port), "with the port");
    assert_eq!(header("content-type"), "application/json", "exactly");
    assert!(!request.headers.contains_key("x-tc-token"));
    // Signed from what arrived, not from what was meant.
    let key = Secret::new("SECRETEXAMPLE");
    let expected = authorization(&ToSign {
        secret_id: "AKIDEXAMPLE",
        secret_key: &key,
        service: "lighthouse",
        host: header("host"),
        content_type: header("content-type"),
        body: &request.body,
        timestamp: Timestamp(NOW),
    });
    assert_eq!(header("authorization"), expected);
}

#[tokio::test]
async fn temporary_credentials_send_their_token_and_sts_its_own_name() {
    let server = Server::start(vec![success()]);
    let mut options = options(&server.url());
    options.credentials = credential(Some("session-token")).into();
    let client = client(options);
    let prepared = client.prepare(Service::Sts, "GetCallerIdentity", "{}".to_owned()).await.expect("signed");
    client.send(prepared).await.expect("success");
    let requests = server.requests.lock().expect("requests");
    assert_eq!(requests[0].headers["x-tc-token"], "session-token");
    assert_eq!(requests[0].headers["x-tc-version"], "2018-08-13");
    assert_says(&requests[0].headers["authorization"], &["/sts/tc3_request"]);
}

#[tokio::test]
async fn error_of_the_api() {
    let server = Server::start(vec![json(
        r#"{"Response":{"Error":{"Code":"ResourcesSoldOut.BundleSoldOut","Message":"Plan sold out."},"RequestId":"r"}}"#,
    )]);
    let (class, text) = fails(&server.client()).await;
    assert_eq!(class, ErrorClass::Refused);
    assert_eq!(text, "DescribeInstances: ResourcesSoldOut.BundleSoldOut: Plan sold out (request r)");
}

#[tokio::test]
async fn answers_that_are_not_the_apis_prove_nothing() {
    let half = r#"{"Response":{"RequestId":"#;
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (http("200 OK", "text/html; charset=utf-8", "<html>Log in</html>"), &["not JSON", "text/html", "<html>Log in"]),
        (http("502 Bad Gateway", "text/html", "<h1>Bad Gateway</h1>"), &["status 502", "<h1>Bad Gateway", "try again"]),
        (http("503 Unavailable", "application/json", r#"{"Response":{"RequestId":"r"}}"#), &["status 503"]),
        (http("403 Forbidden", "text/plain", ""), &["status 403", "--endpoint"]),
        (http("200 OK", "application/json", half), &["ends too early"]),
        (http("200 OK", "application/json", r#"{"ok":true}"#), &["no `Response`", "--endpoint"]),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n".to_vec(),
            &["status 302", "no redirects"],
        ),
    ];
    for (answer, parts) in cases {
        let server = Server::start(vec![Act::Answer(answer)]);
        let (class, text) = fails(&server.client()).await;
        assert_eq!(class, ErrorClass::Ambiguous, "{text}");
        assert_says(&text, parts);
        assert_says(&text, &["whether the request was carried out is not known"]);
    }
}

#[tokio::test]
async fn half_a_body() {
    let whole = http("200 OK", "application/json", r#"{"Response":{"RequestId":"r-1"}}"#);
    let server = Server::start(vec![Act::AnswerAndClose(whole[..whole.len() - 9].to_vec())]);
    let (class, text) = fails(&server.client()).await;
    assert_eq!(class, ErrorClass::Ambiguous);
    assert_says(&text, &["lost in the middle of the answer"]);
}

#[tokio::test]
async fn reset_and_close_before_the_answer() {
    for act in [Act::Reset, Act::AnswerAndClose(Vec::new()), Act::AnswerAndClose(b"HTTP/1.1 20".to_vec())] {
        let server = Server::start(vec![act]);
        let (class, text) = fails(&server.client()).await;
        assert_eq!(class, ErrorClass::Ambiguous, "{text}");
        assert_says(&text, &["lost before an answer came"]);
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "nothing is repeated");
    }
}

#[tokio::test]
async fn a_connection_that_dies_in_the_pool_is_never_a_second_request() {
    let server = Server::start(vec![success(), Act::Reset, success()]);
    let client = server.client();
    call(&client).await.expect("success");
    assert_eq!(fails(&client).await.0, ErrorClass::Ambiguous);
    call(&client).await.expect("success over a new connection");
    assert_eq!(server.requests.lock().expect("requests").len(), 2);
}

#[tokio::test]
async fn connection_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let (class, text) = fails(&client(options(&url))).await;
    assert_eq!(class, ErrorClass::NotSent);
    assert_says(&text, &[&format!("no connection to {url}"), "onnection refused"]);
}

#[tokio::test]
async fn unknown_host() {
    // RFC 6761 keeps `invalid` free of hosts.
    let (class, text) = fails(&client(options("https://lighthouse.invalid"))).await;
    assert_eq!(class, ErrorClass::NotSent);
    assert_says(&text, &["cannot be found", "https://lighthouse.invalid"]);
}

#[tokio::test]
async fn slow_answer() {
    let server = Server::start(vec![Act::Silence]);
    let mut options = options(&server.url());
    options.request_timeout = Duration::from_millis(200);
    let (class, text) = fails(&client(options)).await;
    assert_eq!(class, ErrorClass::Ambiguous);
    assert_says(&text, &["no answer from http://127.0.0.1", "within 0.2s"]);
}

#[tokio::test]
async fn connections_are_reused() {
    let server = Server::start((0..20).map(|_| success()).collect());
    let client = server.client();
    for _ in 0..20 {
        call(&client).await.expect("success");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn garbage_is_bounded() {
    let garbage = "\u{1}\u{2}gar\x1b[2Jbage ".repeat(70_000);
    let server = Server::start(vec![Act::Answer(http("200 OK", "application/json", &garbage))]);
    let (class, text) = fails(&server.client()).await;
    assert_eq!(class, ErrorClass::Ambiguous);
    assert!(text.len() < 400 && !text.contains(char::is_control), "{text:?}");

    for act in [
        Act::Answer(http("200 OK", "application/json", &garbage)),
        Act::Endless(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec()),
    ] {
        let server = Server::start(vec![act]);
        let mut options = options(&server.url());
        options.answer_bytes_max = 100_000;
        let (class, text) = fails(&client(options)).await;
        assert_eq!(class, ErrorClass::Ambiguous);
        assert_says(&text, &["longer than 100000 bytes"]);
    }
}

#[tokio::test]
async fn what_answers_without_http() {
    let server = Server::start(vec![Act::AnswerAndClose(b"\x15\x03\x03\x00\x02\x02\x46".to_vec())]);
    let (class, text) = fails(&server.client()).await;
    assert_eq!(class, ErrorClass::Ambiguous);
    assert_says(&text, &["does not speak HTTP", "https://"]);
}

#[test]
fn plain_http_leaves_this_machine_never() {
    for url in ["http://lighthouse.tencentcloudapi.com", "http://192.168.0.1:8080"] {
        let error = Endpoint::parse(url).expect_err("refused").to_string();
        assert_says(&error, &[url, "unencrypted", "https://"]);
    }
    assert_eq!(client_of_site().endpoint(), "https://lighthouse.tencentcloudapi.com");
}

fn client_of_site() -> HttpClient {
    let mut options = options("https://example.com");
    options.endpoint = Endpoint::of_site(Site::China);
    client(options)
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_the_way_to_this_machine() {
    let server = Server::start(vec![success()]);
    let mut options = options(&server.url());
    options.proxy = Some("http://127.0.0.1:1".to_owned());
    call(&client(options)).await.expect("success");
}

#[tokio::test]
async fn a_proxy_that_is_down_means_not_sent() {
    let mut options = options("https://lighthouse.invalid");
    options.proxy = Some("http://127.0.0.1:1".to_owned());
    assert_eq!(fails(&client(options)).await.0, ErrorClass::NotSent);
}

#[tokio::test]
async fn a_sender_that_slept_sends_nothing() {
    let server = Server::start(vec![success()]);
    let clock = Arc::new(Standing(AtomicI64::new(NOW)));
    let client = HttpClient::new(options(&server.url()), Arc::clone(&clock) as Arc<dyn Clock>).expect("a client");
    let prepared = prepare(&client, "{}").await;
    clock.0.store(NOW + 301_000, Ordering::SeqCst);
    let error = client.send(prepared).await.expect_err("too old");
    assert_eq!(error.class, ErrorClass::SignatureExpired);
    assert_says(&error.to_string(), &["not sent: signed 5m01s ago"]);
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_wrong_clock_is_named() {
    let body = r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"Expired."},"RequestId":"r"}}"#;
    let length = body.len();
    // One hour after NOW.
    let answer = format!(
        "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 23:13:20 GMT\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let server = Server::start(vec![Act::Answer(answer.into_bytes())]);
    let (class, text) = fails(&server.client()).await;
    assert_eq!(class, ErrorClass::SignatureExpired);
    assert_says(&text, &["this machine's clock is 1h00m behind the service"]);
}

#[test]
fn ca_files_that_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let with_ca = |path: std::path::PathBuf| {
        let mut options = options("https://localhost");
        options.ca_file = Some(path);
        HttpClient::new(options, Arc::new(Standing(AtomicI64::new(NOW)))).err().expect("an error")
    };
    assert!(matches!(with_ca(folder.path().join("none.pem")), ClientError::CaFileUnreadable { .. }));
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, text).expect("a file");
        let error = with_ca(path);
        assert!(matches!(error, ClientError::CaFileEmpty { .. }), "{text}: {error}");
    }
}

mod tls {
    use super::*;

    /// Answers one request for each connection over TLS, with a certificate for `localhost` of its own making.
    fn start() -> (u16, String) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a configuration");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                let mut reader = BufReader::new(&mut tls);
                if read_request(&mut reader).is_some() {
                    let body = r#"{"Response":{"RequestId":"tls"}}"#;
                    let _gone = tls.write_all(&http("200 OK", "application/json", body));
                    let _gone = tls.flush();
                }
            }
        });
        (port, cert.pem())
    }

    #[tokio::test]
    async fn own_ca() {
        let (port, pem) = start();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), pem).expect("written");
        let mut options = options(&format!("https://localhost:{port}"));
        options.ca_file = Some(file.path().to_owned());
        assert_eq!(call(&client(options)).await.expect("success"), "tls");
    }

    #[tokio::test]
    async fn unknown_ca_means_not_sent() {
        let (port, _) = start();
        let (class, text) = fails(&client(options(&format!("https://localhost:{port}")))).await;
        assert_eq!(class, ErrorClass::NotSent);
        assert_says(&text, &["is not trusted", "--ca-file"]);
    }

    #[tokio::test]
    async fn wrong_host_means_not_sent() {
        let (port, pem) = start();
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), pem).expect("written");
        let mut options = options(&format!("https://127.0.0.1:{port}"));
        options.ca_file = Some(file.path().to_owned());
        let (class, text) = fails(&client(options)).await;
        assert_eq!(class, ErrorClass::NotSent);
        assert_says(&text, &["is not trusted"]);
    }

    #[tokio::test]
    async fn tls_to_a_plain_port_means_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut bytes = [0; 1];
                let _gone = stream.read(&mut bytes);
                let _gone = stream.write_all(&http("400 Bad Request", "text/plain", "?"));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let (class, text) = fails(&client(options(&format!("https://127.0.0.1:{port}")))).await;
        assert_eq!(class, ErrorClass::NotSent);
        assert_says(&text, &["does not speak TLS", "http://"]);
    }

    #[tokio::test]
    async fn plain_to_a_tls_port() {
        let (port, _) = start();
        let (class, _) = fails(&client(options(&format!("http://127.0.0.1:{port}")))).await;
        assert_eq!(class, ErrorClass::Ambiguous);
    }

    #[tokio::test]
    async fn handshake_that_never_ends_means_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut options = options(&format!("https://{}", listener.local_addr().expect("an address")));
        options.connect_timeout = Duration::from_millis(200);
        let (class, text) = fails(&client(options)).await;
        assert_eq!(class, ErrorClass::NotSent);
        assert_says(&text, &["within 0.2s"]);
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("sink").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In a process of its own: a thread that hears nothing and meets a place of logging first silences it for every thread.
#[test]
fn traces_show_the_traffic_but_no_secret() {
    let run = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "traces_of_one_process"])
        .output()
        .expect("the test runs");
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test]
#[ignore = "traces_show_the_traffic_but_no_secret runs it alone"]
async fn traces_of_one_process() {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let answer = r#"{"Response":{"KeyPair":{"KeyId":"lhkp-1","PrivateKey":"-----BEGIN RSA-----"},"RequestId":"r-1"}}"#;
    let server = Server::start(vec![json(answer), Act::Answer(http("500 No", "text/plain", "got hunter2-Hunter2"))]);
    let mut options = options(&server.url());
    options.credentials = credential(Some("session-token")).into();
    let client = client(options);
    let body = r#"{"InstanceName":"web","LoginConfiguration":{"Password":"hunter2-Hunter2"}}"#;
    let error = {
        // The runtime of this test is one thread, so everything it does is heard.
        let _heard = tracing::subscriber::set_default(subscriber);
        let prepared = prepare(&client, body).await;
        client.send(prepared.clone()).await.expect("success");
        client.send(prepared).await.expect_err("status 500").to_string()
    };
    let log = String::from_utf8(sink.0.lock().expect("sink").clone()).expect("text");
    assert_says(&log, &["X-TC-Action: DescribeInstances", "AKIDEXAMPLE", "lhkp-1", "\"InstanceName\":\"web\"", "r-1"]);
    let signature = server.requests.lock().expect("requests")[0].headers["authorization"].clone();
    let signature = signature.rsplit_once('=').expect("a signature").1.to_owned();
    for secret in ["hunter2", "session-token", "BEGIN RSA", "SECRETEXAMPLE", &signature] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        assert!(!error.contains(secret), "{secret} is in: {error}");
    }
}

/// What the table of error codes has to know: the codes that the sandbox returns, and those that the API documents.
mod vocabulary {
    use lhprov::cloud::classify::reason;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Whether the table has a line for a code itself, not only for its family.
    fn unlisted(codes: &BTreeSet<String>) -> Vec<&String> {
        codes.iter().filter(|code| reason(code).is_none()).collect()
    }

    /// Words in quotation marks that look like a code: a first level that the table knows, alone or with a second one.
    fn literals(text: &str) -> impl Iterator<Item = &str> {
        text.split('"').skip(1).step_by(2).filter(|word| {
            let mut levels = word.split('.');
            let first = levels.next().unwrap_or_default();
            let named = |level: &str| level.len() > 4 && level.chars().all(|c| c.is_ascii_alphanumeric());
            named(first)
                && levels.all(named)
                && word.starts_with(|c: char| c.is_ascii_uppercase())
                && reason(first).is_some()
        })
    }

    #[test]
    fn every_code_that_the_sandbox_gives_has_a_line() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sandbox");
        let mut codes = BTreeSet::new();
        let (mut folders, mut files) = (vec![root], 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true if !path.ends_with("tests") => folders.push(path),
                    true => {}
                    false => {
                        files += 1;
                        let text = std::fs::read_to_string(&path).unwrap();
                        codes.extend(literals(&text).map(str::to_owned));
                        // Second levels that are put behind `InvalidParameter.`.
                        let filters = text.split("return bad(\"").skip(1).filter_map(|rest| rest.split('"').next());
                        codes.extend(filters.map(|second| format!("InvalidParameter.{second}")));
                    }
                }
            }
        }
        assert!(files > 15 && codes.len() > 40, "{files} files, {codes:?}");
        for known in ["ResourcesSoldOut.BundleSoldOut", "RequestLimitExceeded", "InvalidParameter.InvalidFilterNotDict"]
        {
            assert!(codes.contains(known), "{known} was not found in {codes:?}");
        }
        assert_eq!(unlisted(&codes), Vec::<&String>::new());
    }

    #[test]
    fn every_code_of_the_api_has_a_line() {
        let text = include_str!("fixtures/cloud/documented-codes.txt");
        let codes: BTreeSet<String> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        assert!(codes.len() >= 225, "{} codes", codes.len());
        assert_eq!(unlisted(&codes), Vec::<&String>::new());
    }
}
