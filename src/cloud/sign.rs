//! What is the signature of a request? TC3-HMAC-SHA256 as a pure function: keys, time and bytes are arguments.
//!
//! Source: the official Python SDK, `abstract_client.py` and `sign.py` (common 3.1.195). Only `POST /` is signed, and
//! only the headers `content-type` and `host`; everything else is protected by TLS alone.

use crate::model::digest::{hex, sha256_hex};
use crate::model::{Secret, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The content type of every request. The value sent must be the value signed.
pub const CONTENT_TYPE: &str = "application/json";

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const SIGNED_HEADERS: &str = "content-type;host";

/// Everything that a signature depends on.
#[derive(Clone, Debug)]
pub struct ToSign<'a> {
    /// Public half of the key pair.
    pub secret_id: &'a str,
    /// Secret half.
    pub secret_key: &'a Secret,
    /// The service's name in the scope, `lighthouse`.
    pub service: &'a str,
    /// The `Host` header exactly as it is sent, with the port where one is sent.
    pub host: &'a str,
    /// The `Content-Type` header exactly as it is sent.
    pub content_type: &'a str,
    /// The exact bytes of the body.
    pub body: &'a [u8],
    /// The value of `X-TC-Timestamp`, whole seconds count.
    pub timestamp: Timestamp,
}

/// The value of the `Authorization` header.
pub fn authorization(request: &ToSign<'_>) -> String {
    let scope = format!("{}/{}/tc3_request", request.timestamp.date(), request.service);
    format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={}",
        request.secret_id,
        signature(request, &scope)
    )
}

fn signature(request: &ToSign<'_>, scope: &str) -> String {
    let to_sign = format!(
        "{ALGORITHM}\n{}\n{scope}\n{}",
        request.timestamp.as_secs(),
        sha256_hex(canonical_request(request).as_bytes())
    );
    // Wrapped so that the copy of the key is wiped.
    let first_key = Secret::new(format!("TC3{}", request.secret_key.expose()));
    let date_key = hmac(first_key.expose().as_bytes(), request.timestamp.date().as_bytes());
    let service_key = hmac(&date_key, request.service.as_bytes());
    let signing_key = hmac(&service_key, b"tc3_request");
    hex(&hmac(&signing_key, to_sign.as_bytes()))
}

fn canonical_request(request: &ToSign<'_>) -> String {
    // Method, path, query (none), headers each with a newline, an empty line, names of the headers, hash of the body.
    format!(
        "POST\n/\n\ncontent-type:{}\nhost:{}\n\n{SIGNED_HEADERS}\n{}",
        request.content_type,
        request.host,
        sha256_hex(request.body)
    )
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Computed from the description and, for the last step, by the official SDK's `Sign.sign_tc3`; both agree.
    #[test]
    fn vector_of_the_official_sdk() {
        let key = Secret::new("SECRETEXAMPLE");
        let request = ToSign {
            secret_id: "AKIDEXAMPLE",
            secret_key: &key,
            service: "lighthouse",
            host: "lighthouse.tencentcloudapi.com",
            content_type: "application/json",
            body: br#"{"Limit":1}"#,
            timestamp: Timestamp::from_secs(1_700_000_000),
        };
        assert_eq!(sha256_hex(request.body), "55522f708dcfebccb7bd3e8d0001a53ecaf2beca9ca801f1e9161e24215faa99");
        assert_eq!(
            sha256_hex(canonical_request(&request).as_bytes()),
            "e881a0a52b72a6e377f02740d685dd253e2e642c6715245c8e6ccc87de2d2158"
        );
        assert_eq!(
            authorization(&request),
            "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/lighthouse/tc3_request, \
             SignedHeaders=content-type;host, \
             Signature=4eca928e2d952051940527baa66d5da2a1bd2cf249ffcb10c412fe0662e72502"
        );
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Parts {
        key: String,
        service: String,
        host: String,
        content_type: String,
        body: Vec<u8>,
        secs: i64,
    }

    fn parts() -> impl Strategy<Value = Parts> {
        (
            "[A-Za-z0-9]{1,40}",
            "[a-z]{1,12}",
            "[a-z.]{1,30}(:[0-9]{1,5})?",
            "[a-z/]{1,20}",
            proptest::collection::vec(any::<u8>(), 0..64),
            0i64..4_000_000_000,
        )
            .prop_map(|(key, service, host, content_type, body, secs)| Parts {
                key,
                service,
                host,
                content_type,
                body,
                secs,
            })
    }

    fn sign(parts: &Parts) -> String {
        let key = Secret::new(parts.key.clone());
        authorization(&ToSign {
            secret_id: "AKID",
            secret_key: &key,
            service: &parts.service,
            host: &parts.host,
            content_type: &parts.content_type,
            body: &parts.body,
            timestamp: Timestamp::from_secs(parts.secs),
        })
    }

    fn digits(header: &str) -> &str {
        header.rsplit_once("Signature=").map(|(_, digits)| digits).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn header_is_well_formed(parts in parts()) {
            let header = sign(&parts);
            prop_assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b)));
            let own_digits = digits(&header);
            prop_assert_eq!(own_digits.len(), 64);
            prop_assert!(own_digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            prop_assert_eq!(&header, &sign(&parts));
            prop_assert!(parts.key.len() < 12 || !header.contains(&parts.key), "the key shows");
        }

        #[test]
        fn every_input_counts(one in parts(), other in parts(), which in 0usize..6) {
            let mut changed = one.clone();
            match which {
                0 => changed.key = other.key,
                1 => changed.service = other.service,
                2 => changed.host = other.host,
                3 => changed.content_type = other.content_type,
                4 => changed.body = other.body,
                _ => changed.secs = other.secs,
            }
            prop_assume!(changed != one);
            let (before, after) = (sign(&one), sign(&changed));
            prop_assert_ne!(digits(&before), digits(&after));
        }

        #[test]
        fn milliseconds_do_not_count(parts in parts(), millis in 0i64..1000) {
            let key = Secret::new(parts.key.clone());
            let at = |timestamp| authorization(&ToSign {
                secret_id: "AKID", secret_key: &key, service: &parts.service, host: &parts.host,
                content_type: &parts.content_type, body: &parts.body, timestamp,
            });
            prop_assert_eq!(
                at(Timestamp::from_secs(parts.secs)),
                at(Timestamp(parts.secs * 1000 + millis))
            );
        }
    }
}
