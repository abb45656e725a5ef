//! What does an error code prove? A table: code, class, source.
//!
//! The question behind each line is the purchase protocol's: can an order exist although this code came back? Only a
//! code that by its own text is decided before an order is placed counts as [`ErrorClass::Refused`]. A vague one counts
//! as [`ErrorClass::Ambiguous`], which costs a look and some waiting; the opposite mistake would cost a second purchase.
//!
//! Sources: *gosdk* = error list of the action in the official Go SDK (Lighthouse 2020-03-24); *intl* = texts of the
//! international SDK 3.1.193; *common* = list of common error codes that every error page of the API repeats;
//! *seed* = international page of CreateInstances of 2023-12-04; *sdk* = `retry.py` of the official Python SDK 3.1.195.

use super::error::ErrorClass;
use ErrorClass::{Ambiguous, Auth, Refused, SignatureExpired, Throttled};

/// Exact codes. They win over [`FIRST_LEVELS`].
#[rustfmt::skip]
const CODES: &[(&str, ErrorClass)] = &[
    // --- CreateInstances, every code of its list (gosdk, seed) ---

    // intl: "This region is not open yet." The gate, before any service logic.
    ("AuthFailure.InvalidRegion", Auth),
    // intl: "Operation failed." Says nothing about how far it came.
    ("FailedOperation", Ambiguous),
    // intl: "Failed to create the instance." Between order and machine there are several steps; which one failed is not said.
    ("FailedOperation.CreateInstancesFailed", Ambiguous),
    // gosdk: command content too long. A check of a parameter, in spite of its family.
    ("FailedOperation.InitCommandContentTooLong", Refused),
    // intl: "The account balance is insufficient." Nothing is delivered that is not paid for. If an unpaid order remained
    // and somebody paid it later, the instances would carry our tags or name, and the look before each purchase finds them.
    ("FailedOperation.InsufficientBalance", Refused),
    // gosdk, other name of the same.
    ("FailedOperation.BalanceInsufficient", Refused),
    // intl: "Failed to create the instance". As CreateInstancesFailed.
    ("FailedOperation.UnableToCreateInstances", Ambiguous),
    // intl: "Internal error." (common: a server's fault, at an unknown point)
    ("InternalError", Ambiguous),
    // intl: "Failed to find this API". Sounds like the gate, but a part of the service may have looked for a part of
    // itself after the order; the family decides.
    ("InternalError.InvalidActionNotFound", Ambiguous),
    // intl: "Incorrect parameter." From here to OutOfRange: checks of the request alone, done before anything is ordered.
    ("InvalidParameter", Refused),
    // intl: "The package and the image do not match."
    ("InvalidParameter.BundleAndBlueprintNotMatch", Refused),
    // intl: "Undefined service package ID."
    ("InvalidParameter.BundleIdNotFound", Refused),
    // gosdk: parameter not supported when creating a game-portal instance.
    ("InvalidParameter.CreatingGamePortalInstanceNotSupportParameter", Refused),
    // intl: "The image ID is invalid, …"
    ("InvalidParameterValue.BlueprintId", Refused),
    // intl: "the image ID format is invalid."
    ("InvalidParameterValue.BlueprintIdMalformed", Refused),
    // intl: "The package and the image do not match."
    ("InvalidParameterValue.BundleAndBlueprintNotMatch", Refused),
    // intl: "The selected package does not support the OS of the image."
    ("InvalidParameterValue.BundleNotSupportBlueprintPlatform", Refused),
    // intl: "The client token is too long." The length is known before the token is looked up.
    ("InvalidParameterValue.ClientTokenTooLong", Refused),
    // gosdk: malformed firewall template id.
    ("InvalidParameterValue.FirewallTemplateIdMalformed", Refused),
    // intl: "the length of the instance name exceeds the upper limit."
    ("InvalidParameterValue.InstanceNameTooLong", Refused),
    // intl: "The image ID is invalid."
    ("InvalidParameterValue.InvalidBlueprintId", Refused),
    // intl: "Invalid package parameter."
    ("InvalidParameterValue.InvalidBundle", Refused),
    // gosdk: illegal combination of bundle and image.
    ("InvalidParameterValue.InvalidBundleBlueprintCombination", Refused),
    // intl: "Invalid package combination."
    ("InvalidParameterValue.InvalidParameterCombination", Refused),
    // intl: "The password in the parameter is invalid."
    ("InvalidParameterValue.InvalidPassword", Refused),
    // intl: "Invalid `Zone` value."
    ("InvalidParameterValue.InvalidZone", Refused),
    // intl: "the key pair ID format is invalid."
    ("InvalidParameterValue.KeyPairIdMalformed", Refused),
    // intl: "it is not within the valid range."
    ("InvalidParameterValue.OutOfRange", Refused),
    // intl: "Invalid AZ."
    ("InvalidParameterValue.ZoneInvalid", Refused),
    // intl: "Reached the quota limit." Quota is checked before the order: the DryRun of CreateInstances checks it too (seed).
    ("LimitExceeded", Refused),
    // intl: "Run out of the instance quota."
    ("LimitExceeded.InstanceQuotaLimitExceeded", Refused),
    // intl: "The image ID does not exist."
    ("ResourceNotFound.BlueprintIdNotFound", Refused),
    // intl: "The specified image does not exist."
    ("ResourceNotFound.BlueprintNotFound", Refused),
    // intl: "Firewall template not found."
    ("ResourceNotFound.FirewallTemplateNotFound", Refused),
    // intl: "Key pair not found."
    ("ResourceNotFound.KeyPairNotFound", Refused),
    // intl: "The package is not available."
    ("ResourceUnavailable.BundleUnavailable", Refused),
    // gosdk: this bundle cannot be bought through the API.
    ("ResourceUnavailable.InvalidPurchaseRequestSource", Refused),
    // intl: "Plan sold out." Stock is checked before the order: the DryRun checks it too (seed).
    ("ResourcesSoldOut.BundleSoldOut", Refused),
    // intl: "There is no available configuration in the package."
    ("ResourcesSoldOut.PurchaseSourceHasNoBundleConfigs", Refused),
    // intl: the same text; by the name, in these zones.
    ("ResourcesSoldOut.ZonesHasNoBundleConfigs", Refused),
    // intl: "No permission."
    ("UnauthorizedOperation.NoPermission", Auth),
    // intl: "The password can not be set upon creation of a LinuxUnix instance."
    ("UnsupportedOperation.InstanceLinuxUnixCreatingNotSupportPassword", Refused),

    // --- Neighbours of the list that an order can meet ---

    // gosdk: count above the maximum. A check of a parameter.
    ("FailedOperation.NumLimitError", Refused),
    // intl: "A request error occurred." Of which request, on the way to whom, is not said.
    ("FailedOperation.RequestError", Ambiguous),
    // intl: "Failed to call the billing gateway service." The gateway may have taken the order and lost the answer.
    ("FailedOperation.TradeCallBillingGatewayFailed", Ambiguous),
    // intl: "Failed to query the price." Most likely before the order, but renewal and upgrade list it too and do not say.
    ("FailedOperation.TradeGetPriceFailed", Ambiguous),

    // --- The token. Lighthouse lists nothing but "too long"; what its neighbours have is what it may come to have. ---
    // In each of them an earlier request with the token may have bought.

    // gosdk VPC: "the client token is already used", with other parameters.
    ("UnsupportedOperation.IdempotentParameterMismatch", Ambiguous),
    // gosdk VPC: "earlier idempotent request still in progress, retry later".
    ("UnsupportedOperation.IdempotentProcessing", Ambiguous),
    // gosdk CLB: "order ended without delivery, or not updated for long: this ClientToken has timed out".
    ("InvalidParameter.ClientTokenLimitExceeded", Ambiguous),
    // gosdk CFS: the resource is being created.
    ("FailedOperation.ClientTokenInUse", Ambiguous),
    // gosdk CBS: no text; whether for its form or its history is not said.
    ("InvalidParameter.InvalidClientToken", Ambiguous),
    // gosdk CVM: the length alone.
    ("InvalidClientToken.TooLong", Refused),

    // --- Other actions that we use: codes that differ from their family ---

    // intl: "System busy." At what point is not said.
    ("UnsupportedOperation.SystemBusy", Ambiguous),
    // intl: "Terminating a resource in the resource center failed." It was begun.
    ("UnsupportedOperation.PostDestroyResourceFailed", Ambiguous),

    // --- Common codes that differ from their family ---

    // common: the signature's time is more than five minutes from the service's.
    ("AuthFailure.SignatureExpire", SignatureExpired),
    // common: "the response is too large": there is a response, so the work was done.
    ("ResponseSizeLimitExceeded", Ambiguous),
];

/// First levels, for second levels that are not known: the API adds codes without notice. An unknown first level counts
/// as [`ErrorClass::Ambiguous`].
#[rustfmt::skip]
const FIRST_LEVELS: &[(&str, ErrorClass)] = &[
    // common: gone from the API; the gate says it.
    ("ActionOffline", Refused),
    // common: signature, key, token, MFA. The gate.
    ("AuthFailure", Auth),
    // common: the request would have succeeded, but DryRun was given. See `CloudError::is_dry_run_success`.
    ("DryRunOperation", Refused),
    // common: says only that it failed.
    ("FailedOperation", Ambiguous),
    // common: a server's fault.
    ("InternalError", Ambiguous),
    // common: the action does not exist. The gate.
    ("InvalidAction", Refused),
    // common: checks of the request.
    ("InvalidParameter", Refused),
    ("InvalidParameterValue", Refused),
    // common: not valid multipart or JSON. The gate.
    ("InvalidRequest", Refused),
    // common: the source address is not admitted. The gate.
    ("IpInBlacklist", Auth),
    ("IpNotInWhitelist", Auth),
    // common: quota.
    ("LimitExceeded", Refused),
    // common: checks of the request.
    ("MissingParameter", Refused),
    // common: routing.
    ("NoSuchProduct", Refused),
    ("NoSuchVersion", Refused),
    // intl: "It is not allowed to manipulate this instance, as …": the state forbids it, so nothing was begun.
    ("OperationDenied", Refused),
    // common, sdk: the three codes that the SDK repeats begin with it.
    ("RequestLimitExceeded", Throttled),
    // common: the request is too large. The gate.
    ("RequestSizeLimitExceeded", Refused),
    // common: occupied, short, not there, not available: what the request needs is looked at before it is used.
    ("ResourceInUse", Refused),
    ("ResourceInsufficient", Refused),
    ("ResourceNotFound", Refused),
    ("ResourceUnavailable", Refused),
    // gosdk: stock.
    ("ResourcesSoldOut", Refused),
    // common: not allowed by access management. The gate.
    ("UnauthorizedOperation", Auth),
    // common: a field that the API does not know.
    ("UnknownParameter", Refused),
    // common: the state or kind of the resource forbids it.
    ("UnsupportedOperation", Refused),
    // common: routing.
    ("UnsupportedProtocol", Refused),
    ("UnsupportedRegion", Refused),
];

/// What `code` proves about the attempt that it answers.
pub fn classify(code: &str) -> ErrorClass {
    if let Some(class) = look_up(CODES, code) {
        return class;
    }
    // Codes that the service may come to have. A token that is contested means that an earlier request used it, whatever
    // the family says.
    if code.contains("ClientToken") || code.contains("Idempoten") {
        return Ambiguous;
    }
    let first_level = code.split('.').next().unwrap_or(code);
    look_up(FIRST_LEVELS, first_level).unwrap_or(Ambiguous)
}

fn look_up(table: &[(&str, ErrorClass)], code: &str) -> Option<ErrorClass> {
    table.iter().find(|(known, _)| *known == code).map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::super::error::CloudError;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_code_twice() {
        for table in [CODES, FIRST_LEVELS] {
            let codes: BTreeSet<&str> = table.iter().map(|(code, _)| *code).collect();
            assert_eq!(codes.len(), table.len());
        }
    }

    /// No code of the purchase is left to the rule for its family: each has been thought about.
    #[test]
    fn every_code_of_the_purchase_has_a_line() {
        let listed = include_str!("../../tests/fixtures/cloud/create-instances-codes.txt");
        for code in listed.lines().filter(|line| !line.starts_with('#')) {
            assert!(look_up(CODES, code).is_some(), "{code}");
        }
    }

    #[test]
    fn families() {
        let cases = [
            ("RequestLimitExceeded", Throttled),
            ("RequestLimitExceeded.UinLimitExceeded", Throttled),
            ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", Throttled),
            ("AuthFailure.SignatureExpire", SignatureExpired),
            ("AuthFailure.SignatureFailure", Auth),
            ("AuthFailure.Brandnew", Auth),
            ("UnauthorizedOperation.MFAExpired", Auth),
            ("InternalError.TradeCallBillingGatewayFailed", Ambiguous),
            ("FailedOperation.Brandnew", Ambiguous),
            ("FailedOperation.DescribeInstanceStatus", Ambiguous),
            ("LimitExceeded.Brandnew", Refused),
            ("ResourcesSoldOut.BundleSoldOut", Refused),
            ("OperationDenied.InstanceCreating", Refused),
            ("UnsupportedOperation.LatestOperationUnfinished", Refused),
            ("UnsupportedOperation.IdempotentProcessing", Ambiguous),
            ("InvalidParameterValue.ClientTokenConflict", Ambiguous),
            ("InvalidParameterValue.ClientTokenTooLong", Refused),
            ("Brandnew.Family", Ambiguous),
            ("ServiceUnavailable", Ambiguous),
            ("", Ambiguous),
            (".", Ambiguous),
            ("refused", Ambiguous),
        ];
        for (code, class) in cases {
            assert_eq!(classify(code), class, "{code}");
        }
    }

    #[test]
    fn dry_run() {
        let error = |code: &str| CloudError { code: Some(code.to_owned()), ..CloudError::transport(Refused, "A", "m") };
        assert!(error("DryRunOperation").is_dry_run_success());
        assert!(!error("FailedOperation").is_dry_run_success());
    }

    proptest! {
        /// Nothing but a known family may prove that nothing happened.
        #[test]
        fn unknown_families_prove_nothing(code in "[A-Za-z.]{0,30}") {
            let first = code.split('.').next().unwrap_or_default();
            prop_assume!(look_up(FIRST_LEVELS, first).is_none() && look_up(CODES, &code).is_none());
            prop_assert!(!classify(&code).proves_no_effect());
        }
    }
}
