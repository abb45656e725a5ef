//! Whose credentials are these, and may they be used here?

use super::error::OpsError;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::port::{CloudRead, ReadAction};
use crate::desired::DesiredState;
use crate::plan::{Blocked, BlockedKind};
use serde_json::{Value, json};

/// Who the service says is asking (`sts:GetCallerIdentity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account, a UIN.
    pub account: String,
    /// The principal: `qcs::sts:…`; empty if the service does not say.
    pub principal: String,
    /// `CAMUser`, `CAMRole` and the like; empty if the service does not say.
    pub kind: String,
}

/// Asks whose credentials these are.
///
/// # Errors
/// Nobody says.
pub async fn identity(cloud: &dyn CloudRead) -> Result<Identity, CloudError> {
    let action = ReadAction::GetCallerIdentity;
    let response: Value = cloud.read(action, json!({})).await?.read(action.name())?;
    let text = |name: &str| response.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let (account, principal, kind) = (text("AccountId"), text("Arn"), text("Type"));
    if account.is_empty() {
        let message = "the answer names no account";
        return Err(CloudError::transport(ErrorClass::Ambiguous, action.name(), message));
    }
    Ok(Identity { account, principal, kind })
}

/// Refuses an account that the manifest does not allow, and one that is not known where it allows only some.
pub(super) fn check_allowed(desired: &DesiredState, account: Result<&str, &CloudError>) -> Result<(), OpsError> {
    let allowed = &desired.allowed_accounts;
    if allowed.is_empty() || account.is_ok_and(|account| allowed.iter().any(|own| own == account)) {
        return Ok(());
    }
    let only = format!("`allowed_accounts` of the manifest allows only {}", allowed.join(", "));
    let blocked = match account {
        Ok(account) => Blocked {
            kind: BlockedKind::AccountNotAllowed,
            what: format!("these credentials belong to account {account}, and {only}"),
            help: vec![
                "use others: `lhprov auth whoami` says which are used and why, --profile NAME takes another profile"
                    .to_owned(),
                format!("if {account} is meant, add it to `allowed_accounts`"),
            ],
        },
        Err(error) => Blocked {
            kind: BlockedKind::AccountUnknown,
            what: format!("whose account this is cannot be learned ({error}), and {only}"),
            help: vec!["run again once sts:GetCallerIdentity answers; nothing was changed".to_owned()],
        },
    };
    Err(OpsError::Blocked(vec![blocked]))
}
