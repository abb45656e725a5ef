//! How is a role assumed? Request and answer of `sts:AssumeRole` (version 2018-08-13).

use super::machine::{expired_time, temporary};
use super::types::{AssumedRole, Issued};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::port::Reply;
use serde_json::{Value, json};

/// The action.
pub(super) const ACTION: &str = "AssumeRole";

/// How long the credentials are asked to last: two hours, the service's own default and what every role admits.
const LASTS_SECS: u32 = 7200;

/// The body of the request.
pub(super) fn request(role: &AssumedRole) -> String {
    json!({"RoleArn": role.arn, "RoleSessionName": role.session, "DurationSeconds": LASTS_SECS}).to_string()
}

/// The credentials in the answer. What is missing is named; nothing of the answer is quoted.
pub(super) fn read(reply: Reply) -> Result<Issued, CloudError> {
    let request_id = reply.request_id.clone();
    let response: Value = reply.read(ACTION)?;
    let found = || -> Result<Issued, &'static str> {
        let credential = temporary(response.get("Credentials").ok_or("Credentials")?)?;
        Ok(Issued { credential, expires: Some(expired_time(&response)?) })
    };
    found().map_err(|missing| CloudError {
        class: ErrorClass::Ambiguous,
        action: ACTION.to_owned(),
        code: None,
        message: format!("the answer has no usable `{missing}`"),
        request_id: Some(request_id).filter(|id| !id.is_empty()),
    })
}
