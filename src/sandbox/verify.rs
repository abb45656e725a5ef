//! Is this request signed as the API demands? TC3-HMAC-SHA256 over the bytes as they came.
//!
//! Written from the API's description and apart from the client's own signing on purpose: a mistake made once must not
//! cancel itself out.

use super::account::Caller;
use super::call::ApiError;
use super::sts::Temporary;
use crate::model::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The sandbox's secret id. It opens nothing but the sandbox.
pub const SECRET_ID: &str = "AKIDSANDBOXSANDBOXSANDBOXSANDBOX0000";

/// The sandbox's secret key. It opens nothing but the sandbox.
pub const SECRET_KEY: &str = "SandboxKeyThatOpensNothingAtAll0";

/// How far a request's time may be from ours, either way.
pub const TOLERANCE_SECS: i64 = 300;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A request as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// What follows `?`, still encoded; empty if nothing does.
    pub query: &'a str,
    /// Names in lower case, values as received.
    pub headers: &'a [(String, String)],
    /// The body's bytes.
    pub body: &'a [u8],
}

impl Received<'_> {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim())
    }
}

/// Checks time, key and signature; gives the service that the request is signed for, and who signed it.
///
/// # Errors
/// What the API answers: `MissingParameter`, or one of the `AuthFailure` family.
pub fn verify(received: &Received<'_>, now: Timestamp) -> Result<(String, Caller), ApiError> {
    let Some(token) = received.header("x-tc-token").filter(|token| !token.is_empty()) else {
        return Ok((verify_with(received, now, SECRET_ID, SECRET_KEY)?, Caller::Owner));
    };
    let given = Temporary::recognise(token)
        .ok_or_else(|| failure("TokenFailure", "the token is none that the sandbox has given out"))?;
    let service = verify_with(received, now, &given.id, &given.key)?;
    if !given.holds(now) {
        return Err(failure("TokenFailure", "the token has expired"));
    }
    Ok((service, given.caller))
}

fn verify_with(received: &Received<'_>, now: Timestamp, id: &str, key: &str) -> Result<String, ApiError> {
    let authorization = required(received, "authorization", "Authorization")?;
    let stamp = required(received, "x-tc-timestamp", "X-TC-Timestamp")?;
    let seconds: i64 = stamp.parse().map_err(|_| {
        ApiError::new("InvalidParameterValue", format!("X-TC-Timestamp `{stamp}` is not a number of seconds"))
    })?;
    check_time(seconds, now)?;
    let claim = Claim::read(authorization)?;
    if claim.secret_id != id {
        return Err(failure("SecretIdNotFound", "the SecretId is not found, please ensure that it is correct"));
    }
    let date = Timestamp::from_secs(seconds).date();
    if claim.date != date {
        let message = format!("the scope's date is {}, that of X-TC-Timestamp {date}", claim.date);
        return Err(failure("SignatureFailure", message));
    }
    let scope = format!("{date}/{}/tc3_request", claim.service);
    let canonical = canonical_request(received, &claim.signed_headers)?;
    let to_sign = format!("{ALGORITHM}\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut signing = mac(format!("TC3{key}").as_bytes(), &date);
    signing = mac(&signing, &claim.service);
    signing = mac(&signing, "tc3_request");
    if hex(&mac(&signing, &to_sign)) != claim.signature {
        return Err(failure("SignatureFailure", "the provided credentials could not be validated"));
    }
    Ok(claim.service.clone())
}

/// Is a request of that time still, and already, good?
///
/// # Errors
/// `AuthFailure.SignatureExpire`.
pub fn check_time(seconds: i64, now: Timestamp) -> Result<(), ApiError> {
    let apart = seconds.saturating_sub(now.as_secs()).saturating_abs();
    if apart <= TOLERANCE_SECS {
        return Ok(());
    }
    let message = format!("the signature is {apart} seconds from the server's time, and five minutes are allowed");
    Err(failure("SignatureExpire", message))
}

/// What the `Authorization` header says.
struct Claim {
    secret_id: String,
    date: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
}

impl Claim {
    fn read(header: &str) -> Result<Self, ApiError> {
        Self::parse(header).ok_or_else(|| {
            failure(
                "InvalidAuthorization",
                format!(
                    "Authorization must read `{ALGORITHM} Credential=ID/DATE/SERVICE/tc3_request, SignedHeaders=content-type;host, Signature=HEX`"
                ),
            )
        })
    }

    fn parse(header: &str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let part = |name: &str| {
            rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let credential = part("Credential")?;
        let fields: Vec<&str> = credential.split('/').collect();
        let [secret_id, date, service, "tc3_request"] = fields[..] else { return None };
        let signed_headers: Vec<String> = part("SignedHeaders")?.split(';').map(str::to_owned).collect();
        let has = |name: &str| signed_headers.iter().any(|own| own == name);
        if service.is_empty() || !has("content-type") || !has("host") {
            return None;
        }
        Some(Self {
            secret_id: secret_id.to_owned(),
            date: date.to_owned(),
            service: service.to_owned(),
            signature: part("Signature")?,
            signed_headers,
        })
    }
}

fn canonical_request(received: &Received<'_>, signed: &[String]) -> Result<String, ApiError> {
    let mut text = format!("{}\n/\n{}\n", received.method, received.query);
    for name in signed {
        let value = required(received, name, name)?;
        // The two that every client signs go as they came; of others the description wants lower case.
        let value =
            if name == "content-type" || name == "host" { value.to_owned() } else { value.to_ascii_lowercase() };
        text.push_str(name);
        text.push(':');
        text.push_str(&value);
        text.push('\n');
    }
    let payload: &[u8] = match (received.header("x-tc-content-sha256"), received.method) {
        (Some(UNSIGNED), _) => UNSIGNED.as_bytes(),
        (_, "GET") => b"",
        _ => received.body,
    };
    text.push('\n');
    text.push_str(&signed.join(";"));
    text.push('\n');
    text.push_str(&hex(&Sha256::digest(payload)));
    Ok(text)
}

fn required<'a>(received: &'a Received<'_>, name: &str, shown: &str) -> Result<&'a str, ApiError> {
    received
        .header(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ApiError::new("MissingParameter", format!("the request lacks the header `{shown}`")))
}

fn failure(second: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(format!("AuthFailure.{second}"), message)
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    // HMAC takes keys of any length; the empty answer would match no signature.
    let Ok(mut state) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else { return Vec::new() };
    state.update(message.as_bytes());
    state.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
    const SIGNATURE: &str = "4eca928e2d952051940527baa66d5da2a1bd2cf249ffcb10c412fe0662e72502";

    fn headers(stamp: i64, signature: &str) -> Vec<(String, String)> {
        [
            ("host", "lighthouse.tencentcloudapi.com".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("x-tc-timestamp", stamp.to_string()),
            (
                "authorization",
                format!(
                    "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/lighthouse/tc3_request, \
                     SignedHeaders=content-type;host, Signature={signature}"
                ),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn check(headers: &[(String, String)], body: &str, now: Timestamp, key: &str) -> Result<String, String> {
        let received = Received { method: "POST", query: "", headers, body: body.as_bytes() };
        verify_with(&received, now, "AKIDEXAMPLE", key).map_err(|error| error.code)
    }

    #[test]
    fn the_published_vector() {
        let good = headers(1_700_000_000, SIGNATURE);
        assert_eq!(check(&good, "{\"Limit\":1}", NOW, "SECRETEXAMPLE"), Ok("lighthouse".to_owned()));
        let expired = Err("AuthFailure.SignatureExpire".to_owned());
        for (now, expected) in [(300, Ok("lighthouse".to_owned())), (301, expired.clone()), (-301, expired)] {
            let now = Timestamp::from_secs(1_700_000_000 + now);
            assert_eq!(check(&good, "{\"Limit\":1}", now, "SECRETEXAMPLE"), expected);
        }
        let bad = Err("AuthFailure.SignatureFailure".to_owned());
        assert_eq!(check(&good, "{\"Limit\":2}", NOW, "SECRETEXAMPLE"), bad);
        assert_eq!(check(&good, "{\"Limit\":1}", NOW, "SECRETEXAMPLF"), bad);
        assert_eq!(check(&headers(1_700_000_001, SIGNATURE), "{\"Limit\":1}", NOW, "SECRETEXAMPLE"), bad);
        let mut other = good.clone();
        other[1].1 = "application/json; charset=utf-8".to_owned();
        assert_eq!(check(&other, "{\"Limit\":1}", NOW, "SECRETEXAMPLE"), bad);
    }

    #[test]
    fn what_is_missing_or_malformed() {
        let good = headers(1_700_000_000, SIGNATURE);
        for left_out in ["host", "content-type", "x-tc-timestamp", "authorization"] {
            let rest: Vec<_> = good.iter().filter(|(name, _)| name != left_out).cloned().collect();
            assert_eq!(check(&rest, "{}", NOW, "K"), Err("MissingParameter".to_owned()), "{left_out}");
        }
        for text in ["Basic abc", "TC3-HMAC-SHA256 Credential=A/B", "TC3-HMAC-SHA256", "TC3-HMAC-SHA256 ,=,/"] {
            let mut odd = good.clone();
            odd[3].1 = text.to_owned();
            assert_eq!(check(&odd, "{}", NOW, "K"), Err("AuthFailure.InvalidAuthorization".to_owned()), "{text}");
        }
        let received = Received { method: "POST", query: "", headers: &good, body: b"{}" };
        let code = verify(&received, NOW).map_err(|error| error.code);
        assert_eq!(code, Err("AuthFailure.SecretIdNotFound".to_owned()));
    }
}
