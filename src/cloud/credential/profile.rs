//! What do the files of the official CLI say? `~/.tccli/NAME.credential` is JSON with `secretId`, `secretKey` and, where
//! temporary, `token`; `role-arn` and `role-session-name` for a role to assume with them; `"type": "cvm-role"` for the role
//! of the machine; `expiresAt`, in seconds, for a login (official CLI 3.1, `configure.py` and `oauth.py`). What stands beside
//! it in `NAME.configure` are region, output and endpoints, which the manifest and the command line say here.

use super::chain::check;
use super::machine::MetadataAddress;
use super::types::{AssumedRole, Credential, CredentialError, Login, Origin};
use crate::model::{Secret, Timestamp};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;

/// A profile file is a few hundred bytes. Whatever is larger is something else, perhaps endless.
const PROFILE_BYTES_MAX: u64 = 1024 * 1024;

/// The fields of a role.
const ROLE: [&str; 2] = ["role-arn", "role-session-name"];

/// Reads a profile; `role` is taken on instead of its own, where one is given. `None` if there is no such file.
pub(super) fn read(name: &str, path: &Path, role: Option<AssumedRole>) -> Result<Option<Origin>, CredentialError> {
    let Some(text) = read_small_file(path)? else { return Ok(None) };
    let malformed = |problem: String| CredentialError::Malformed { path: path.to_owned(), problem };
    // The parser's message has line and column, but may quote what it found.
    let profile: Value = serde_json::from_str(&text)
        .map_err(|error| malformed(format!("no valid JSON at line {}, column {}", error.line(), error.column())))?;
    let field = |field: &str| -> Result<Option<String>, CredentialError> {
        match profile.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(value)) => {
                let value = value.trim();
                check(&format!("`{field}` in {}", path.display()), value)?;
                Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
            }
            Some(_) => Err(malformed(format!("`{field}` is not a text"))),
        }
    };
    let role = match role {
        Some(role) => Some(role),
        None => self::role(&path.display().to_string(), ROLE, field(ROLE[0])?, field(ROLE[1])?)?,
    };
    if role.is_none() && field("type")?.as_deref() == Some("cvm-role") {
        return Ok(Some(Origin::Machine(MetadataAddress::default())));
    }
    let credential = match (field("secretId")?, field("secretKey")?) {
        (Some(secret_id), Some(key)) => {
            Credential { secret_id, secret_key: Secret::new(key), token: field("token")?.map(Secret::new) }
        }
        (None, Some(_)) => return Err(malformed("`secretId` is missing".to_owned())),
        (Some(_), None) => return Err(malformed("`secretKey` is missing".to_owned())),
        (None, None) => return Err(malformed("`secretId` and `secretKey` are missing".to_owned())),
    };
    Ok(Some(match (role, profile.get("expiresAt").and_then(seconds)) {
        (Some(role), _) => Origin::Role { keys: credential, role },
        (None, Some(expires)) => {
            Origin::Login(Login { name: name.to_owned(), path: path.to_owned(), credential, expires })
        }
        (None, None) => Origin::Keys(credential),
    }))
}

/// A role of ARN and session name: both, or neither. `names` are what the two are called at `place`.
pub(super) fn role(
    place: &str,
    names: [&'static str; 2],
    arn: Option<String>,
    session: Option<String>,
) -> Result<Option<AssumedRole>, CredentialError> {
    let half = |missing| Err(CredentialError::HalfRole { place: place.to_owned(), missing });
    match (arn, session) {
        (None, None) => Ok(None),
        (Some(_), None) => half(names[1]),
        (None, Some(_)) => half(names[0]),
        (Some(arn), Some(session)) => Ok(Some(AssumedRole { arn, session })),
    }
}

/// A time in seconds, perhaps with a fraction.
fn seconds(value: &Value) -> Option<Timestamp> {
    // The limit is in the year 5138; a larger number is no time in seconds.
    let seconds = value.as_f64().filter(|seconds| (1.0..1e11).contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked; a fraction of a second does not matter"
    )]
    Some(Timestamp::from_secs(seconds as i64))
}

fn read_small_file(path: &Path) -> Result<Option<String>, CredentialError> {
    use std::io::Read;
    let unreadable = |source| CredentialError::Unreadable { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = String::new();
    file.take(PROFILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > PROFILE_BYTES_MAX {
        let problem = format!("larger than {PROFILE_BYTES_MAX} bytes");
        return Err(CredentialError::Malformed { path: path.to_owned(), problem });
    }
    Ok(Some(text))
}
