//! What is the role of this machine? Asks the metadata service that every CVM has.
//!
//! Plain HTTP, since that is what the service speaks, and therefore only to its own name or to this machine itself. No
//! proxy, no redirect, short waits: anywhere but in the cloud nobody answers, and nobody wants to wait for that.

use super::types::{Credential, Issued};
use crate::cloud::endpoint::Endpoint;
use crate::cloud::port::Service;
use crate::cloud::trace;
use crate::model::{Secret, Timestamp};
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// Where a CVM finds its metadata (official SDKs, `cvm_role_credential`).
const OFFICIAL: &str = "http://metadata.tencentyun.com";

/// The folder of the roles below it. Alone it lists the role, with the role's name behind it gives the credentials.
const CREDENTIALS: &str = "/latest/meta-data/cam/security-credentials/";

/// Longest time to a connection, the name's look-up included.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Longest time for one of the two requests.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// An answer is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Longest name of a role that is believed (access management allows 128).
const ROLE_BYTES_MAX: usize = 128;

/// Where the metadata service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataAddress(String);

impl Default for MetadataAddress {
    fn default() -> Self {
        Self(OFFICIAL.to_owned())
    }
}

impl MetadataAddress {
    /// Reads an address: the official one, or one of this machine.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim_end_matches('/') == OFFICIAL {
            return Some(Self::default());
        }
        let endpoint = Endpoint::parse(text).ok()?;
        (endpoint.is_loopback() && !endpoint.is_tls()).then(|| Self(endpoint.url(Service::Sts)))
    }
}

impl fmt::Display for MetadataAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the machine gives no credentials. No text quotes what was answered, since that may be them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MachineError {
    /// Nobody answers, as anywhere but on a CVM; or not in time.
    #[error("{0}")]
    Silent(String),
    /// The service is there, and no role is bound.
    #[error("no role is bound to this machine")]
    NoRole,
    /// An answer that is none.
    #[error("the metadata service answers {0}")]
    Strange(String),
}

/// Asks for the credentials of the machine's role.
///
/// # Errors
/// Nobody there, no role, or no credentials in the answer.
pub(super) async fn fetch(address: &MetadataAddress) -> Result<Issued, MachineError> {
    let http = client().map_err(|error| MachineError::Silent(format!("no HTTP client: {error}")))?;
    let folder = format!("{address}{CREDENTIALS}");
    let (status, body) = get(&http, &folder).await?;
    if status == 404 {
        return Err(MachineError::NoRole);
    }
    let role = role_name(status, &body)?;
    let (status, body) = get(&http, &format!("{folder}{role}")).await?;
    read(status, &body)
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Whoever came first has set it; that is as good.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .tls_certs_only([])
        .build()
}

async fn get(http: &reqwest::Client, url: &str) -> Result<(u16, Vec<u8>), MachineError> {
    trace::metadata_request(url);
    let silent = |error: &reqwest::Error| {
        let why = if error.is_timeout() { "in time" } else { "there" };
        MachineError::Silent(format!("nobody answers {why}"))
    };
    let mut response = http.get(url).send().await.map_err(|error| silent(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silent(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(MachineError::Strange(format!("more than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    trace::metadata_answer(status, &body);
    Ok((status, body))
}

fn role_name(status: u16, body: &[u8]) -> Result<String, MachineError> {
    if status != 200 {
        return Err(MachineError::Strange(format!("with status {status}")));
    }
    let name = std::str::from_utf8(body).unwrap_or_default().trim();
    let usual = |c: char| c.is_ascii_alphanumeric() || "_-+=,.@".contains(c);
    match name.len() {
        0 => Err(MachineError::NoRole),
        length if length <= ROLE_BYTES_MAX && name.chars().all(usual) && !name.contains("..") => Ok(name.to_owned()),
        _ => Err(MachineError::Strange("with something that is not the name of a role".to_owned())),
    }
}

fn read(status: u16, body: &[u8]) -> Result<Issued, MachineError> {
    if status != 200 {
        return Err(MachineError::Strange(format!("with status {status}")));
    }
    let without = |what: &str| MachineError::Strange(format!("without {what}"));
    let answer: Value = serde_json::from_slice(body).map_err(|_| without("JSON"))?;
    if answer.get("Code").and_then(Value::as_str) != Some("Success") {
        return Err(without("`Code`: `Success`"));
    }
    issued(&answer).map_err(without)
}

/// `TmpSecretId`, `TmpSecretKey` and `Token` beside `ExpiredTime`, as the metadata service has them. The name of what is
/// missing otherwise.
fn issued(answer: &Value) -> Result<Issued, &'static str> {
    Ok(Issued { credential: temporary(answer)?, expires: Some(expired_time(answer)?) })
}

/// The three parts of temporary credentials.
pub(super) fn temporary(object: &Value) -> Result<Credential, &'static str> {
    let text = |name: &'static str| {
        let value = object.get(name).and_then(Value::as_str).unwrap_or_default();
        // They go into a header.
        let whole = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
        if whole { Ok(value.to_owned()) } else { Err(name) }
    };
    Ok(Credential {
        secret_id: text("TmpSecretId")?,
        secret_key: Secret::new(text("TmpSecretKey")?),
        token: Some(Secret::new(text("Token")?)),
    })
}

/// When they end, in seconds of UNIX time.
pub(super) fn expired_time(object: &Value) -> Result<Timestamp, &'static str> {
    // The limit keeps sums of times in range; it is in the year 5138.
    let seconds =
        object.get("ExpiredTime").and_then(Value::as_i64).filter(|seconds| (1..100_000_000_000).contains(seconds));
    seconds.map(Timestamp::from_secs).ok_or("ExpiredTime")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("http://metadata.tencentyun.com", Some("http://metadata.tencentyun.com")),
            ("http://metadata.tencentyun.com/", Some("http://metadata.tencentyun.com")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://[::1]:9/", Some("http://[::1]:9")),
            ("https://127.0.0.1:8080", None),
            ("http://metadata.tencentyun.com.example.com", None),
            ("http://169.254.0.23", None),
            ("http://example.com", None),
            ("http://127.0.0.1/latest", None),
            ("", None),
        ] {
            let read = MetadataAddress::parse(text).map(|address| address.to_string());
            assert_eq!(read.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn names_of_roles() {
        assert_eq!(role_name(200, b"deploy-role\n"), Ok("deploy-role".to_owned()));
        assert_eq!(role_name(200, b" "), Err(MachineError::NoRole));
        for strange in ["a/b", "../x", "<html>", "a b", "..", &"x".repeat(129)] {
            assert!(matches!(role_name(200, strange.as_bytes()), Err(MachineError::Strange(_))), "{strange}");
        }
        assert!(matches!(role_name(302, b"deploy"), Err(MachineError::Strange(_))));
    }

    #[test]
    fn credentials_of_the_machine() {
        let good = json!({"TmpSecretId": "AKID", "TmpSecretKey": "hush", "Token": "session", "ExpiredTime": 1_700_000_000,
            "Expiration": "2023-11-14T22:13:20Z", "Code": "Success"});
        let issued = read(200, good.to_string().as_bytes()).expect("credentials");
        assert_eq!(issued.expires, Some(Timestamp::from_secs(1_700_000_000)));
        assert_eq!(issued.credential.token, Some(Secret::new("session")));
        for (field, value) in [
            ("Code", json!("Failed")),
            ("TmpSecretKey", json!("")),
            ("TmpSecretKey", json!("hush\nhush")),
            ("Token", json!(7)),
            ("ExpiredTime", json!("soon")),
            ("ExpiredTime", json!(i64::MAX)),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let error = read(200, bad.to_string().as_bytes()).expect_err(field).to_string();
            assert!(error.contains(field) && !error.contains("hush"), "{error}");
        }
        let cut = read(200, &good.to_string().as_bytes()[..60]).expect_err("cut").to_string();
        assert_eq!(cut, "the metadata service answers without JSON");
    }
}
