//! The Security Token Service: who asks, and temporary credentials for a role.
//!
//! Temporary credentials are not kept: the token says whose they are and until when, under a seal, and id and key follow
//! from it. So any sandbox accepts what another has given out, as long as it holds.

use super::account::{ACCOUNT_ID, Caller};
use super::call::{Answer, ApiError, Call};
use super::params::{Params, wrong};
use super::record::iso;
use super::verify::SECRET_KEY;
use crate::model::Timestamp;
use crate::model::digest::hex;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// How long credentials last unless told otherwise, and at most, in seconds.
const LASTS: i64 = 7200;
const LASTS_MAX: i64 = 43_200;

/// Longest policy, in bytes.
const POLICY_MAX: usize = 4096;

/// The role that does not exist.
const NO_ROLE: &str = "none";

/// Temporary credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// `TmpSecretId`.
    pub id: String,
    /// `TmpSecretKey`.
    pub key: String,
    /// `Token`.
    pub token: String,
    /// Until when, in seconds of UNIX time.
    pub until: i64,
    /// In whose name.
    pub caller: Caller,
}

fn seal(what: &str, text: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET_KEY.as_bytes()) else { return String::new() };
    mac.update(what.as_bytes());
    mac.update(&[0]);
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

impl Temporary {
    /// Credentials for a session of a role.
    pub fn grant(role: &str, session: &str, until: i64) -> Self {
        let claim = format!("{until}/{role}/{session}");
        let token = format!("{}/{claim}", &seal("token", &claim)[..32]);
        Self::of(token, until, role, session)
    }

    fn of(token: String, until: i64, role: &str, session: &str) -> Self {
        let caller = Caller::Role { role: role.to_owned(), session: session.to_owned() };
        let id = format!("AKID{}", &seal("id", &token)[..32]);
        Self { id, key: seal("key", &token)[..32].to_owned(), token, until, caller }
    }

    /// The credentials that a token stands for, if it is one of ours. Whether they still hold is another question.
    pub fn recognise(token: &str) -> Option<Self> {
        let (sealed, claim) = token.split_once('/')?;
        if seal("token", claim).get(..32) != Some(sealed) {
            return None;
        }
        let mut parts = claim.splitn(3, '/');
        let (until, role, session) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        Some(Self::of(token.to_owned(), until, role, session))
    }

    /// Whether they hold at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        now.as_secs() < self.until
    }
}

/// The name of the role of `qcs::cam::uin/ACCOUNT:roleName/NAME` or `…:role/ID`.
fn role_of(arn: &str) -> Option<&str> {
    let rest = arn.strip_prefix("qcs::cam::uin/")?;
    let (owner, role) = rest.split_once(':')?;
    let (kind, name) = role.rsplit_once('/')?;
    let kinds = ["role", "roleName", "role/tencentcloudServiceRole", "role/tencentcloudServiceRoleName"];
    (owner == ACCOUNT_ID && kinds.contains(&kind) && !name.is_empty()).then_some(name)
}

fn bad(what: &str, message: impl Into<String>) -> ApiError {
    wrong(&format!("InvalidParameter.{what}"), message)
}

fn session_name(name: &str) -> bool {
    (2..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

/// AssumeRole.
pub fn assume_role(call: &Call, caller: &Caller) -> Answer {
    let known = [
        "RoleArn",
        "RoleSessionName",
        "DurationSeconds",
        "Policy",
        "ExternalId",
        "Tags",
        "SourceIdentity",
        "SerialNumber",
        "TokenCode",
    ];
    let params = Params::of_body(&call.body, &known)?;
    let (arn, session) = (params.need_text("RoleArn")?, params.need_text("RoleSessionName")?);
    if !session_name(session) {
        return Err(bad("ParamError", format!("`{session}` is not a session name.")));
    }
    let lasts = params.integer("DurationSeconds")?.unwrap_or(LASTS);
    if !(1..=LASTS_MAX).contains(&lasts) {
        return Err(bad("OverTimeError", format!("{lasts} seconds are not from 1 to {LASTS_MAX}.")));
    }
    if params.text("Policy")?.is_some_and(|policy| policy.len() > POLICY_MAX) {
        return Err(bad("PolicyTooLong", format!("The policy is longer than {POLICY_MAX} bytes.")));
    }
    for name in ["ExternalId", "SourceIdentity", "SerialNumber", "TokenCode"] {
        params.text(name)?;
    }
    params.inners("Tags", &["Key", "Value"])?;
    let role = role_of(arn).filter(|role| *role != NO_ROLE);
    let role = role.ok_or_else(|| wrong("ResourceNotFound.RoleNotFound", format!("There is no role `{arn}`.")))?;
    if *caller != Caller::Owner {
        return Err(wrong("FailedOperation.TempKeyNotAllowed", "A role cannot assume another."));
    }
    Ok(granted(&Temporary::grant(role, session, call.now.as_secs().saturating_add(lasts))))
}

fn granted(given: &Temporary) -> Value {
    json!({
        "Credentials": {"Token": given.token, "TmpSecretId": given.id, "TmpSecretKey": given.key},
        "ExpiredTime": given.until,
        "Expiration": iso(Timestamp::from_secs(given.until)),
    })
}

/// The role of the machine that the metadata service speaks of.
pub const METADATA_ROLE: &str = "lhprov-sandbox";

/// What a CVM's metadata service answers for its role.
pub fn machine_credentials(now: Timestamp) -> Value {
    let given = Temporary::grant(METADATA_ROLE, "cvm", now.as_secs().saturating_add(LASTS));
    json!({
        "TmpSecretId": given.id,
        "TmpSecretKey": given.key,
        "Token": given.token,
        "ExpiredTime": given.until,
        "Expiration": iso(Timestamp::from_secs(given.until)),
        "Code": "Success",
    })
}

/// GetCallerIdentity.
pub fn caller_identity(call: &Call, caller: &Caller) -> Answer {
    Params::of_body(&call.body, &[])?;
    Ok(match caller {
        Caller::Owner => json!({
            "Arn": format!("qcs::sts:{}:uin/{ACCOUNT_ID}:root", call.region),
            "AccountId": ACCOUNT_ID,
            "UserId": ACCOUNT_ID,
            "PrincipalId": ACCOUNT_ID,
            "Type": "CAMUser",
        }),
        Caller::Role { role, session } => json!({
            "Arn": format!("qcs::sts:{}:uin/{ACCOUNT_ID}:assumed-role/{role}/{session}", call.region),
            "AccountId": ACCOUNT_ID,
            "UserId": format!("{role}:{session}"),
            "PrincipalId": ACCOUNT_ID,
            "Type": "CAMRole",
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is_and_cannot_be_altered() {
        let given = Temporary::grant("deploy", "ci@main", 1_700_000_100);
        assert_eq!(Temporary::recognise(&given.token), Some(given.clone()));
        assert!(given.holds(Timestamp::from_secs(1_700_000_099)) && !given.holds(Timestamp::from_secs(1_700_000_100)));
        for other in
            [given.token.replace("1700000100", "1900000100"), given.token.replace("deploy", "root"), "x/1/a/b".into()]
        {
            assert_eq!(Temporary::recognise(&other), None, "{other}");
        }
        assert_ne!(given.key, Temporary::grant("deploy", "ci@main", 1_700_000_101).key);
    }

    #[test]
    fn roles_have_names() {
        let own = |rest: &str| role_of(&format!("qcs::cam::uin/{ACCOUNT_ID}:{rest}")).map(str::to_owned);
        assert_eq!(own("roleName/deploy").as_deref(), Some("deploy"));
        assert_eq!(own("role/4611686018427397919").as_deref(), Some("4611686018427397919"));
        assert_eq!((own("user/x"), own("roleName/")), (None, None));
        assert_eq!(role_of("qcs::cam::uin/1:roleName/deploy"), None);
    }
}
