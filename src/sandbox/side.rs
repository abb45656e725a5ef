//! What the server answers beside the API, without a signature.
//!
//! | Request | What it does |
//! |---|---|
//! | `GET /sandbox/instances/ID` | shows an instance as the account keeps it |
//! | `POST /sandbox/instances/ID` with `{"InstanceState": "RESCUE_MODE"}` and the like | changes it behind the API's back |
//! | the same with `{"DataDisks": [{"DiskSize": 20}], "Snapshots": 2}` | attaches data disks, makes snapshots |
//! | the same with `{"DeniedActions": [{"Action": …, "Code": …, "Message": …}]}` | lets the service announce refusals |
//! | `DELETE /sandbox/instances/ID` | makes it vanish |
//! | `GET /latest/meta-data/cam/security-credentials/` | the role of the machine, as a CVM's metadata service names it |
//! | `GET /latest/meta-data/cam/security-credentials/ROLE` | temporary credentials for it |

use super::call::{Answer, ApiError};
use super::service::{Service, document};
use super::sts::{METADATA_ROLE, machine_credentials};
use crate::model::Timestamp;

const INSTANCES: &str = "/sandbox/instances/";
const CREDENTIALS: &str = "/latest/meta-data/cam/security-credentials/";

/// Whether a path is not the API's.
pub fn is_beside(path: &str) -> bool {
    path.starts_with(INSTANCES) || path.starts_with(CREDENTIALS)
}

/// Answers a request to such a path: the body, and whether it is JSON. `None` is "not found".
pub fn answer(service: &Service, method: &str, path: &str, body: &[u8], now: Timestamp) -> Option<(String, bool)> {
    if let Some(id) = path.strip_prefix(INSTANCES) {
        let answer = instance(service, method, id, body, now)?;
        return Some((document(&answer, &service.request_id()).to_string(), true));
    }
    match (method, path.strip_prefix(CREDENTIALS)?) {
        ("GET", "") => Some((METADATA_ROLE.to_owned(), false)),
        ("GET", role) if role == METADATA_ROLE => Some((machine_credentials(now).to_string(), true)),
        _ => None,
    }
}

fn instance(service: &Service, method: &str, id: &str, body: &[u8], now: Timestamp) -> Option<Answer> {
    match method {
        "GET" => Some(service.outside(now, |account, now| account.inspect(id, now))),
        "DELETE" => Some(service.outside(now, |account, now| account.vanish(id, now))),
        "POST" => Some(match serde_json::from_slice(body) {
            Ok(fields) => service.outside(now, |account, now| account.intervene(id, &fields, now)),
            Err(error) => Err(ApiError::new("InvalidRequest", format!("the body is not JSON: {error}"))),
        }),
        _ => None,
    }
}
