//! What may be shown of a request and its answer? Everything but secrets: signatures, session tokens, passwords, private
//! keys, and the commands and variables in which people keep such things.

use super::port::Prepared;
use serde_json::Value;
use std::sync::OnceLock;

/// Stands where something was taken out.
const MARK: &str = "…";

/// Fields whose value is secret wherever they stand. `ClientToken` is not among them: it is no credential, and it is
/// what one looks for in a trace.
const SECRET_FIELDS: [&str; 6] = ["Password", "PrivateKey", "SecretKey", "TmpSecretKey", "Token", "SecurityToken"];

/// Objects of a request whose content may hold secrets: (object, field).
const SECRET_WITHIN: [(&str, &str); 3] =
    [("InitCommand", "Content"), ("Containers", "Command"), ("Containers", "Envs")];

/// Shorter texts are not looked for in messages: they would blot out half of every sentence. No password rule of the
/// service admits fewer than 8 characters.
const SCRUBBED_LENGTH_MIN: usize = 6;

/// A header as it may be shown.
pub fn header(name: &str, value: &str) -> String {
    if name.eq_ignore_ascii_case("authorization") {
        // Who signs and what is signed may be seen, the signature not: it is good for five minutes.
        let shown = value.split_once("Signature=").map_or("", |(before, _)| before);
        return format!("{shown}Signature={MARK}");
    }
    if name.eq_ignore_ascii_case("x-tc-token") {
        return MARK.to_owned();
    }
    value.to_owned()
}

/// A body as it may be shown. What is no JSON is not shown at all: nobody knows what it holds.
pub fn body(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) => {
            walk(&mut value, None, &mut |secret| *secret = Value::from(MARK));
            value.to_string()
        }
        Err(_) => format!("({} bytes that are not JSON)", bytes.len()),
    }
}

/// The secrets of one request, to be taken out of whatever text comes back: services like to quote what they refuse. They are
/// looked up when a text is to be shown, which is seldom.
#[derive(Default)]
pub struct Scrubber<'a> {
    body: &'a str,
    session_token: Option<&'a str>,
    signature: Option<&'a str>,
    secrets: OnceLock<Vec<String>>,
}

impl<'a> Scrubber<'a> {
    /// Knows the secrets of a signed request. The signature is one too: it is good for five minutes.
    pub fn of_request(prepared: &'a Prepared) -> Self {
        let header = |wanted: &str| {
            prepared.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
        };
        let signature = header("Authorization").and_then(|value| value.split_once("Signature="));
        let signature = signature.map(|(_, signature)| signature);
        Self { signature, ..Self::of_body(&prepared.body, header("X-TC-Token")) }
    }

    /// Knows the secrets of a request with this body and session token.
    pub fn of_body(body: &'a str, session_token: Option<&'a str>) -> Self {
        Self { body, session_token, ..Self::default() }
    }

    /// `text` without the secrets.
    pub fn scrub(&self, text: &str) -> String {
        let secrets = self.secrets.get_or_init(|| self.find());
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MARK))
    }

    fn find(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self.session_token.into_iter().map(str::to_owned).collect();
        if let Ok(mut value) = serde_json::from_str::<Value>(self.body) {
            walk(&mut value, None, &mut |secret| collect_texts(secret, &mut secrets));
        }
        // In raw JSON a secret stands with its escapes.
        let escaped: Vec<String> =
            secrets.iter().map(|text| Value::from(text.as_str()).to_string().trim_matches('"').to_owned()).collect();
        secrets.extend(escaped);
        secrets.retain(|text| text.len() >= SCRUBBED_LENGTH_MIN);
        // Longest first, so that a secret inside another leaves no rest of it.
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        secrets.extend(self.signature.map(str::to_owned));
        secrets
    }
}

fn walk(value: &mut Value, within: Option<&str>, on_secret: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let secret = SECRET_FIELDS.contains(&name.as_str())
                    || SECRET_WITHIN.iter().any(|(object, own)| within == Some(*object) && own == name);
                if secret && !field.is_null() {
                    on_secret(field);
                } else {
                    walk(field, Some(name.as_str()), on_secret);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, within, on_secret)),
        _ => {}
    }
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect_texts(field, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn request() -> Value {
        json!({
            "BundleId": "bundle_x",
            "ClientToken": "3f9a",
            "LoginConfiguration": {"Password": "hunter2-Hunter2", "KeyIds": ["lhkp-1"]},
            "InitCommand": {"Content": "ZWNobyBzZWNyZXQ=", "Username": "root"},
            "Containers": [{"ContainerName": "web", "Command": "run --key abcdef", "Envs": [{"Key": "K", "Value": "envsecret"}]}],
        })
    }

    #[test]
    fn request_body() {
        let shown = body(request().to_string().as_bytes());
        assert_eq!(
            serde_json::from_str::<Value>(&shown).expect("JSON"),
            json!({
                "BundleId": "bundle_x",
                "ClientToken": "3f9a",
                "LoginConfiguration": {"Password": "…", "KeyIds": ["lhkp-1"]},
                "InitCommand": {"Content": "…", "Username": "root"},
                "Containers": [{"ContainerName": "web", "Command": "…", "Envs": "…"}],
            })
        );
    }

    #[test]
    fn answer_body() {
        let answer = json!({"Response": {"KeyPair": {"KeyId": "lhkp-1", "PrivateKey": "-----BEGIN"},
            "Credentials": {"Token": "t", "TmpSecretId": "AKID", "TmpSecretKey": "k"}, "RequestId": "r"}});
        let shown = body(answer.to_string().as_bytes());
        for secret in ["-----BEGIN", "\"t\"", "\"k\""] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("AKID") && shown.contains("lhkp-1"));
        assert_eq!(body(b"Password=hunter2"), "(16 bytes that are not JSON)");
    }

    #[test]
    fn headers() {
        let authorization = "TC3-HMAC-SHA256 Credential=AKID/2023-11-14/lighthouse/tc3_request, \
                             SignedHeaders=content-type;host, Signature=00ff";
        assert_eq!(
            header("Authorization", authorization),
            "TC3-HMAC-SHA256 Credential=AKID/2023-11-14/lighthouse/tc3_request, \
             SignedHeaders=content-type;host, Signature=…"
        );
        assert_eq!(header("authorization", "unknown scheme secret"), "Signature=…");
        assert_eq!(header("X-TC-Token", "secret"), "…");
        assert_eq!(header("X-TC-Region", "ap-guangzhou"), "ap-guangzhou");
    }

    #[test]
    fn messages_that_quote_secrets() {
        let body = request().to_string();
        let scrubber = Scrubber::of_body(&body, Some("session-token"));
        assert_eq!(
            scrubber.scrub("password `hunter2-Hunter2` is weak; env envsecret; token session-token; bundle_x"),
            "password `…` is weak; env …; token …; bundle_x"
        );
    }

    proptest! {
        #[test]
        fn a_password_never_shows(password in "[ -~]{8,30}", before in "[a-z ]{0,10}") {
            let request = json!({"LoginConfiguration": {"Password": password}}).to_string();
            let mark_free = |text: &str| !text.contains(&password);
            prop_assume!(mark_free(&before));
            prop_assert!(!body(request.as_bytes()).contains(&Value::from(password.as_str()).to_string()));
            let scrubber = Scrubber::of_body(&request, None);
            let quoted = scrubber.scrub(&format!("{before}{password}{before}"));
            prop_assert!(mark_free(&quoted), "{quoted}");
            let raw = scrubber.scrub(&json!({"Message": password}).to_string());
            prop_assert!(mark_free(&raw), "{raw}");
        }
    }
}
