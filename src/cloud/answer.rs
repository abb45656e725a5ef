//! What does an HTTP answer say? Pure: status, headers and bytes in, a reply or a classified error out.
//!
//! The API answers every request that it understands with status 200, errors included (official Python SDK,
//! `abstract_client.py`). Any other answer comes from something on the way, which may have passed the request on before
//! it failed: it proves nothing.

use super::classify::classify;
use super::error::{CloudError, ErrorClass};
use super::port::Reply;
use super::redact::{self, Scrubber};
use crate::model::Timestamp;
use crate::model::time::show_duration;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// How much of an answer that is not the API's is shown.
const SNIPPET_CHARS_MAX: usize = 80;

/// How much of it is looked at for that. More than any secret of ours that it could quote.
const SNIPPET_BYTES_MAX: usize = 64 * 1024;

/// Smaller differences of clocks are not worth a word: the way alone takes so long.
const SKEW_WORTH_TELLING: Duration = Duration::from_secs(30);

/// An HTTP answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `Date` header.
    pub date: Option<&'a str>,
    /// The body.
    pub body: Vec<u8>,
}

/// Reads the answer to `action`, received at `now`.
///
/// # Errors
/// The API's own error, or `Ambiguous` for whatever is not an answer of the API.
pub fn read(action: &str, answer: Answer<'_>, now: Timestamp, scrubber: &Scrubber<'_>) -> Result<Reply, CloudError> {
    let strange = |what: &str| {
        let message =
            format!("{what} ({}); whether the request was carried out is not known", describe(&answer, scrubber));
        CloudError::transport(ErrorClass::Ambiguous, action, message)
    };
    if answer.status != 200 {
        return Err(strange(why_not_200(answer.status)));
    }
    let head = match serde_json::from_slice::<Envelope>(&answer.body) {
        Ok(Envelope { response: Some(head) }) => head,
        Err(error) if error.is_eof() => return Err(strange("the answer ends too early")),
        Err(error) if error.is_syntax() => {
            return Err(strange(
                "the answer is not JSON, so it is not the API's: check --endpoint and any proxy between",
            ));
        }
        _ => return Err(strange("the answer has no `Response`, so it is not the API's: check --endpoint")),
    };
    let request_id = head.request_id.as_str().unwrap_or_default().to_owned();
    if head.error.is_null() {
        return Ok(Reply::from_text(answer.body, request_id));
    }
    let text = |field: &str| head.error.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(code) = text("Code") else {
        let mut error = strange("the answer is an error without a code");
        error.request_id = Some(request_id).filter(|id| !id.is_empty());
        return Err(error);
    };
    let class = classify(code);
    let mut message = scrubber.scrub(text("Message").unwrap_or("no message"));
    if class == ErrorClass::SignatureExpired {
        message = format!("{}; {}", message.trim_end_matches('.'), clock_advice(answer.date, now));
    }
    Err(CloudError {
        class,
        action: action.to_owned(),
        code: Some(code.to_owned()),
        message,
        request_id: Some(request_id).filter(|id| !id.is_empty()),
    })
}

/// The whole of an answer, of which only the head is read here.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Response")]
    response: Option<Head>,
}

/// What every answer has. What else is in it is read by whoever asked.
#[derive(Default)]
struct Head {
    request_id: Value,
    error: Value,
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An object and nothing else: what is derived would take an array, too.
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Head;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Head, A::Error> {
                let mut head = Head::default();
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "RequestId" => head.request_id = fields.next_value()?,
                        "Error" => head.error = fields.next_value()?,
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(head)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

fn why_not_200(status: u16) -> &'static str {
    match status {
        300..400 => "the endpoint redirects elsewhere, and signed requests follow no redirects: check --endpoint",
        404 | 405 => "the endpoint does not know the API: check --endpoint",
        407 => "the proxy asks for a login",
        413 => "something on the way finds the request too large",
        429 => "something on the way finds the requests too many",
        500..600 => "the endpoint or something on the way fails: try again later",
        _ => "the API answers with status 200 only, so this is not its answer: check --endpoint and any proxy between",
    }
}

/// `status 502, text/html, beginning "<html> <h1>Bad Gateway"`.
fn describe(answer: &Answer<'_>, scrubber: &Scrubber<'_>) -> String {
    let content_type =
        answer.content_type.map_or_else(|| "no content type".to_owned(), |text| snippet(text.as_bytes()));
    let status = answer.status;
    let head = &answer.body[..answer.body.len().min(SNIPPET_BYTES_MAX)];
    let text = match head.trim_ascii_start().first() {
        // Whatever looks like the API's may hold what the API gives out, such as credentials: it is shown with its secret
        // fields blotted out, or not at all.
        Some(b'{' | b'[') if serde_json::from_slice::<Value>(&answer.body).is_ok() => redact::body(&answer.body),
        Some(b'{' | b'[') => {
            return format!("status {status}, {content_type}, {} bytes of broken JSON", answer.body.len());
        }
        _ => String::from_utf8_lossy(head).into_owned(),
    };
    // Secrets are taken out before the text is cut: the first half of one is one too.
    let shown = snippet(scrubber.scrub(&text).as_bytes());
    if shown.is_empty() {
        let length = answer.body.len();
        return format!("status {status}, {content_type}, {length} bytes that cannot be shown");
    }
    format!("status {status}, {content_type}, beginning \"{shown}\"")
}

/// The first printable characters, white space in one piece. No byte from outside may steer a terminal.
fn snippet(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    let mut count = 0;
    for c in text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }) {
        let printable = !c.is_control() && c != char::REPLACEMENT_CHARACTER && !is_invisible(c);
        if !printable || (c == ' ' && (shown.is_empty() || shown.ends_with(' '))) {
            continue;
        }
        if count == SNIPPET_CHARS_MAX {
            shown.push('…');
            break;
        }
        shown.push(c);
        count += 1;
    }
    shown.trim_end().to_owned()
}

/// Marks that change the direction of text or take no room (Unicode, format characters that matter on a terminal).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// By how much this machine's clock differs from the service's, as far as the `Date` header tells.
fn clock_advice(date: Option<&str>, now: Timestamp) -> String {
    let Some(theirs) = date.and_then(parse_http_date) else {
        return "check this machine's clock".to_owned();
    };
    let (behind, ahead) = (theirs.since(now), now.since(theirs));
    if behind > SKEW_WORTH_TELLING {
        format!("this machine's clock is {} behind the service", show_duration(behind))
    } else if ahead > SKEW_WORTH_TELLING {
        format!("this machine's clock is {} ahead of the service", show_duration(ahead))
    } else {
        "this machine's clock agrees with the service, so the request waited too long after it was signed".to_owned()
    }
}

/// Reads `Tue, 14 Nov 2023 22:13:20 GMT` (RFC 9110, 5.6.7); the two obsolete forms are not read.
fn parse_http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let fields: Vec<&str> = text.split_once(", ")?.1.split(' ').collect();
    let [day, month, year, time, "GMT"] = fields[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn json(body: &str) -> Result<Reply, CloudError> {
        answered(200, Some("application/json"), None, body.as_bytes())
    }

    fn answered(status: u16, content_type: Option<&str>, date: Option<&str>, body: &[u8]) -> Result<Reply, CloudError> {
        let body = body.to_vec();
        read("DescribeInstances", Answer { status, content_type, date, body }, NOW, &Scrubber::default())
    }

    fn told(result: Result<Reply, CloudError>) -> (ErrorClass, String) {
        let error = result.expect_err("an error");
        (error.class, error.to_string())
    }

    #[test]
    fn success() {
        let reply = json(r#"{"Response":{"TotalCount":0,"RequestId":"r-1"}}"#).expect("success");
        assert_eq!(reply.request_id, "r-1");
        assert_eq!(reply.read::<Value>("").expect("an object")["TotalCount"], 0);
        assert_eq!(json(r#"{"Response":{"Error":null}}"#).expect("success").request_id, "");
    }

    #[test]
    fn errors_of_the_api() {
        let (class, text) = told(json(
            r#"{"Response":{"Error":{"Code":"LimitExceeded.InstanceQuotaLimitExceeded","Message":"Run out."},"RequestId":"r"}}"#,
        ));
        assert_eq!(class, ErrorClass::Refused);
        assert_eq!(text, "DescribeInstances: LimitExceeded.InstanceQuotaLimitExceeded: Run out (request r)");
        let (class, text) = told(json(r#"{"Response":{"Error":{"Message":"?"},"RequestId":"r"}}"#));
        assert_eq!(class, ErrorClass::Ambiguous);
        assert!(text.ends_with("(request r)"), "{text}");
    }

    #[test]
    fn answers_of_others() {
        let html = b"<html>\r\n<h1>Bad\x1b[31m Gateway</h1>";
        let (class, text) = told(answered(502, Some("text/html"), None, html));
        assert_eq!(class, ErrorClass::Ambiguous);
        assert_eq!(
            text,
            "DescribeInstances: the endpoint or something on the way fails: try again later (status 502, text/html, \
             beginning \"<html> <h1>Bad[31m Gateway</h1>\"); whether the request was carried out is not known"
        );
        for (status, body) in [
            (200, "<html>"),
            (200, ""),
            (200, "{}"),
            (200, "[]"),
            (200, "null"),
            (200, r#"{"Response":[]}"#),
            (200, r#"{"Response":{"TotalCount":1"#),
            (200, r#"{"Response":{"Error":"no"}}"#),
            (204, ""),
            (301, ""),
            (403, r#"{"Response":{"RequestId":"r"}}"#),
        ] {
            assert_eq!(told(answered(status, None, None, body.as_bytes())).0, ErrorClass::Ambiguous, "{status} {body}");
        }
        assert!(told(json(r#"{"Response":{"Tot"#)).1.contains("ends too early"));
    }

    #[test]
    fn clocks() {
        let expired =
            r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureExpire","Message":"Expired."},"RequestId":"r"}}"#;
        let said = |date| told(answered(200, None, date, expired.as_bytes()));
        // The service is at 23:13:20, we are at 22:13:20.
        let (class, text) = said(Some("Tue, 14 Nov 2023 23:13:20 GMT"));
        assert_eq!(class, ErrorClass::SignatureExpired);
        assert!(text.contains("Expired; this machine's clock is 1h00m behind the service"), "{text}");
        assert!(said(Some("Tue, 14 Nov 2023 22:03:20 GMT")).1.contains("10m00s ahead of the service"));
        assert!(said(Some("Tue, 14 Nov 2023 22:13:25 GMT")).1.contains("waited too long"));
        assert!(said(Some("soon")).1.contains("check this machine's clock"));
        assert!(said(None).1.contains("check this machine's clock"));
    }

    #[test]
    fn what_was_given_out_is_not_shown_of_a_broken_answer() {
        let whole = r#"{"Response":{"Credentials":{"Token":"session","TmpSecretKey":"hush"},"RequestId":"r"}}"#;
        for (status, body) in [(200, &whole[..60]), (200, &whole[..40]), (500, whole), (200, "{\"Token\":\"session\"}")]
        {
            let (class, text) = told(answered(status, Some("application/json"), None, body.as_bytes()));
            assert_eq!(class, ErrorClass::Ambiguous);
            assert!(!text.contains("session") && !text.contains("hush"), "{text}");
        }
    }

    #[test]
    fn quoted_secrets_are_taken_out() {
        let scrubber = Scrubber::of_body(r#"{"LoginConfiguration":{"Password":"hunter2-Hunter2"}}"#, None);
        for (status, body) in [
            (
                200,
                r#"{"Response":{"Error":{"Code":"InvalidParameterValue.InvalidPassword","Message":"`hunter2-Hunter2` is weak"}}}"#,
            ),
            (500, "bad body: hunter2-Hunter2"),
        ] {
            let answer = Answer { status, content_type: None, date: None, body: body.as_bytes().to_vec() };
            let text = read("CreateInstances", answer, NOW, &scrubber).expect_err("an error").to_string();
            assert!(!text.contains("hunter2") && text.contains('…'), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_that_can_be_shown(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (class, text) = told(answered(status, Some("a\u{7}b"), None, &body));
            prop_assert_eq!(class, ErrorClass::Ambiguous);
            prop_assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
}
