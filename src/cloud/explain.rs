//! What does an error code mean, and what would help? In our own words, for `explain` and for hints under an error.
//!
//! The service's own message is shown beside it, never instead of it: its texts "may change" by its own documentation.

/// A code explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, a full sentence.
    pub meaning: &'static str,
    /// What would help, a full sentence.
    pub way_out: &'static str,
}

/// Explains `code`, by its family where the code itself has no entry.
pub fn explanation(code: &str) -> Option<Explanation> {
    entry(code).or_else(|| entry(code.split('.').next()?))
}

/// The codes that have an entry of their own, sorted: what `explain` can list.
pub fn explained_codes() -> impl Iterator<Item = &'static str> {
    EXPLANATIONS.iter().map(|(code, _, _)| *code)
}

fn entry(code: &str) -> Option<Explanation> {
    EXPLANATIONS
        .iter()
        .find(|(known, _, _)| *known == code)
        .map(|(_, meaning, way_out)| Explanation { meaning, way_out })
}

/// Code, meaning, way out. Meanings follow the sources named in `classify`.
#[rustfmt::skip]
const EXPLANATIONS: &[(&str, &str, &str)] = &[
    ("ActionOffline",
        "The service has withdrawn this action.",
        "A newer lhprov is needed."),
    ("AuthFailure",
        "The service does not accept these credentials.",
        "Check the secret id and key; with `--log-level info` lhprov says where it took them from."),
    ("AuthFailure.InvalidAuthorization",
        "The Authorization header is not in the form that the service expects.",
        "Check the secret id for stray characters; a proxy that rewrites headers causes it too."),
    ("AuthFailure.InvalidRegion",
        "This region is not open to Lighthouse, or not to this account.",
        "`lhprov catalog regions` lists the regions; check `region` and `site` in the manifest."),
    ("AuthFailure.InvalidSecretId",
        "The secret id is not one of a cloud API key.",
        "Take TENCENTCLOUD_SECRET_ID from the access management console, and check that it belongs to this site."),
    ("AuthFailure.MFAFailure",
        "The second factor that this account demands is missing or wrong.",
        "Use temporary credentials that were made with the second factor, or a sub-account for automation."),
    ("AuthFailure.SecretIdNotFound",
        "The secret id does not exist: it was deleted, or belongs to the other site.",
        "Check the key in the console; accounts of the two sites (china, international) are separate."),
    ("AuthFailure.SignatureExpire",
        "The request was signed more than five minutes away from the service's time.",
        "Set this machine's clock, then run again; nothing happened."),
    ("AuthFailure.SignatureFailure",
        "The signature does not fit: nearly always a wrong secret key.",
        "Check TENCENTCLOUD_SECRET_KEY for a missing or additional character."),
    ("AuthFailure.TokenFailure",
        "The token of the temporary credentials is wrong or over.",
        "Get new temporary credentials; id, key and token belong together."),
    ("AuthFailure.UnauthorizedOperation",
        "The account may not call this action.",
        "Ask for the Lighthouse permission in access management."),
    ("DryRunOperation",
        "The request would have succeeded, but was a dry run.",
        "Nothing to do."),
    ("FailedOperation",
        "The service failed without saying how far it came.",
        "Run again: lhprov looks at what exists before it repeats anything."),
    ("FailedOperation.BalanceInsufficient",
        "The balance of the account does not cover the purchase.",
        "Top up, or let vouchers pay with `auto_voucher: true`; check the console for an unpaid order first."),
    ("FailedOperation.CreateInstancesFailed",
        "The purchase failed at a point that the service does not name; an order may exist.",
        "Run again: lhprov looks for the instances before it asks for them with the same token."),
    ("FailedOperation.InitCommandContentTooLong",
        "The init command is too long.",
        "Shorten it, or let it fetch the rest from elsewhere."),
    ("FailedOperation.InsufficientBalance",
        "The balance of the account does not cover the purchase.",
        "Top up, or let vouchers pay with `auto_voucher: true`; check the console for an unpaid order first."),
    ("FailedOperation.IsolateResourcesFailed",
        "Returning the instance failed.",
        "Run again; if it stays, look at the instance in the console."),
    ("FailedOperation.NumLimitError",
        "More instances were asked for at once than is allowed.",
        "Ask for fewer at once."),
    ("FailedOperation.RequestError",
        "A request inside the service failed; how far it came is not known.",
        "Run again: lhprov looks at what exists before it repeats anything."),
    ("FailedOperation.TradeCallBillingGatewayFailed",
        "The billing system did not answer the service; an order may exist.",
        "Run again: lhprov looks at what exists before it repeats anything."),
    ("FailedOperation.TradeGetPriceFailed",
        "The price could not be found out.",
        "Run again later."),
    ("FailedOperation.UnableToCreateInstances",
        "The purchase failed at a point that the service does not name; an order may exist.",
        "Run again: lhprov looks for the instances before it asks for them with the same token."),
    ("InternalError",
        "A fault inside the service; it may have acted.",
        "Run again: lhprov looks at what exists before it repeats anything. If it stays, give the request id to the support."),
    ("InvalidAction",
        "The service does not know this action.",
        "Check `--endpoint`; perhaps the site does not offer it."),
    ("InvalidClientToken",
        "The service does not accept the client token of a purchase.",
        "Run again: lhprov looks for the instances before it asks for them."),
    ("InvalidParameter",
        "A parameter of the request is not accepted.",
        "The message names it; correct the manifest."),
    ("InvalidParameter.BundleAndBlueprintNotMatch",
        "Bundle and blueprint do not fit together.",
        "`lhprov catalog bundles` and `lhprov catalog blueprints` show what fits: platform, memory and disk size must."),
    ("InvalidParameter.BundleIdNotFound",
        "There is no such bundle in this region.",
        "`lhprov catalog bundles` lists those of the region."),
    ("InvalidParameterValue",
        "A value in the request is not accepted.",
        "The message names it; correct the manifest."),
    ("InvalidParameterValue.BlueprintIdMalformed",
        "The blueprint id is not written like one.",
        "It looks like lhbp-f1lkcd41; `lhprov catalog blueprints` lists them."),
    ("InvalidParameterValue.BundleAndBlueprintNotMatch",
        "Bundle and blueprint do not fit together.",
        "`lhprov catalog bundles` and `lhprov catalog blueprints` show what fits: platform, memory and disk size must."),
    ("InvalidParameterValue.BundleNotSupportBlueprintPlatform",
        "The bundle does not run the blueprint's operating system.",
        "Choose a bundle whose platforms include that of the blueprint."),
    ("InvalidParameterValue.InstanceNameTooLong",
        "The instance name is too long.",
        "At most 60 characters."),
    ("InvalidParameterValue.InvalidBlueprintId",
        "The blueprint id is not accepted.",
        "`lhprov catalog blueprints` lists those of the region."),
    ("InvalidParameterValue.InvalidBundle",
        "The bundle is not accepted.",
        "`lhprov catalog bundles` lists those of the region."),
    ("InvalidParameterValue.InvalidPassword",
        "The password does not follow the rules of the operating system.",
        "8 to 30 characters (Windows 12 to 30), of at least three kinds (lower, upper, digits, symbols), not beginning with `/`."),
    ("InvalidParameterValue.InvalidZone",
        "There is no such zone in this region.",
        "`lhprov catalog zones` lists them."),
    ("InvalidParameterValue.KeyPairIdMalformed",
        "The key pair id is not written like one.",
        "It looks like lhkp-0a1b2c3d."),
    ("InvalidParameterValue.OutOfRange",
        "A number is outside its range.",
        "The message names it; most often `period` or the number of instances."),
    ("InvalidParameterValue.ZoneInvalid",
        "There is no such zone in this region.",
        "`lhprov catalog zones` lists them."),
    ("InvalidRequest",
        "The request is not in the form that the service expects.",
        "Check `--endpoint`, and any proxy that rewrites requests."),
    ("IpInBlacklist",
        "The account does not let this machine's address in.",
        "Take the address off the account's list, or run from elsewhere."),
    ("IpNotInWhitelist",
        "The account lets only listed addresses in, and this machine's is none of them.",
        "Add the address to the account's list, or run from elsewhere."),
    ("LimitExceeded",
        "A quota of the account is used up.",
        "Ask for a higher quota in the console, or spread over regions."),
    ("LimitExceeded.InstanceQuotaLimitExceeded",
        "The quota of instances of this bundle type is used up.",
        "Ask for a higher quota in the console, spread over regions or bundle types, or destroy what is not needed."),
    ("LimitExceeded.IsolateResourcesLimitExceeded",
        "More resources were to be returned than is allowed: 20 at once with their disks, and 29 instances a year.",
        "Return fewer at once; when the year's number is used up, let the instance run out instead."),
    ("MissingParameter",
        "The request lacks a parameter.",
        "This is a fault of lhprov, or the API has changed; the message names the parameter."),
    ("NoSuchProduct",
        "The endpoint does not have this product.",
        "Check `--endpoint`."),
    ("NoSuchVersion",
        "The service does not know version 2020-03-24 of its API.",
        "Check `--endpoint`."),
    ("OperationDenied",
        "The present state of the resource does not allow this.",
        "Run again when the running operation is over."),
    ("OperationDenied.BundleNotSupportModify",
        "An instance of this bundle cannot be upgraded.",
        "Replace it, which buys a new one, or keep the bundle."),
    ("OperationDenied.InstanceCreating",
        "The instance is still being created.",
        "Run again when it is RUNNING."),
    ("OperationDenied.InstanceOperationInProgress",
        "Another operation on the instance is still running.",
        "Run again when it is over."),
    ("RequestLimitExceeded",
        "More calls a second than the service admits, perhaps together with other programs of the same account.",
        "lhprov slows down by itself; a lower `rate_limits` entry in the manifest leaves room for others."),
    ("RequestSizeLimitExceeded",
        "The request is larger than the service takes.",
        "Shorten what is long in the manifest: init command, container commands."),
    ("ResourceInUse",
        "The resource is in use.",
        "Run again when it is free."),
    ("ResourceInsufficient",
        "The cloud is short of what was asked for.",
        "Try another zone or bundle, or run again later."),
    ("ResourceNotFound",
        "A resource that the request names does not exist in this region.",
        "Check the id, the region and the account."),
    ("ResourceNotFound.BlueprintIdNotFound",
        "There is no such blueprint in this region.",
        "`lhprov catalog blueprints` lists them; private images belong to one region."),
    ("ResourceNotFound.BlueprintNotFound",
        "There is no such blueprint in this region.",
        "`lhprov catalog blueprints` lists them; private images belong to one region."),
    ("ResourceNotFound.FirewallTemplateNotFound",
        "There is no such firewall template.",
        "Check `firewall_template_id`."),
    ("ResourceNotFound.InstanceIdNotFound",
        "There is no such instance in this region.",
        "`lhprov plan` shows what is gone and plans it again."),
    ("ResourceNotFound.InstanceNotFound",
        "There is no such instance in this region.",
        "`lhprov plan` shows what is gone and plans it again."),
    ("ResourceNotFound.KeyPairNotFound",
        "There is no such key pair in this region.",
        "Check `login.key_ids`; key pairs belong to one region."),
    ("ResourceUnavailable",
        "The resource is not available at present.",
        "Try another one, or run again later."),
    ("ResourceUnavailable.BlueprintUnavailable",
        "The blueprint is not available at present.",
        "Choose another one with `lhprov catalog blueprints`."),
    ("ResourceUnavailable.BundleUnavailable",
        "The bundle is not sold at present.",
        "Choose another one with `lhprov catalog bundles`."),
    ("ResourceUnavailable.InvalidPurchaseRequestSource",
        "This bundle is not sold through the API.",
        "Choose another one; some promotional bundles can be bought only in the console."),
    ("ResourcesSoldOut",
        "What was asked for is sold out.",
        "Try another zone or bundle, or run again later."),
    ("ResourcesSoldOut.BundleSoldOut",
        "The bundle is sold out.",
        "Choose another bundle, or another zone in `zones`; `lhprov catalog bundles` shows what is on sale where."),
    ("ResourcesSoldOut.PurchaseSourceHasNoBundleConfigs",
        "The bundle has no configuration on sale for this way of buying.",
        "Choose another bundle with `lhprov catalog bundles`."),
    ("ResourcesSoldOut.ZonesHasNoBundleConfigs",
        "The bundle is not on sale in these zones.",
        "Name other zones in `zones`, or none to leave the choice to the service."),
    ("ResponseSizeLimitExceeded",
        "The answer is larger than the service sends; the work was done.",
        "Run again: lhprov looks at what exists before it repeats anything."),
    ("UnauthorizedOperation",
        "The account may not do this.",
        "Ask for the Lighthouse permission in access management."),
    ("UnauthorizedOperation.MFAExpired",
        "The second factor was given too long ago.",
        "Give it again."),
    ("UnauthorizedOperation.MFANotFound",
        "This operation demands a second factor.",
        "Turn the protection of this operation off for the account in access management, or do it in the console."),
    ("UnauthorizedOperation.NoPermission",
        "The account may not call this action on this resource.",
        "Ask for the Lighthouse permission in access management; tags need permissions of their own."),
    ("UnknownParameter",
        "The service does not know a field of the request.",
        "Check `site`: tags, init command, firewall template and domain exist only on site china."),
    ("UnsupportedOperation",
        "The kind or state of the resource does not allow this.",
        "The message names the reason."),
    ("UnsupportedOperation.InstanceExpired",
        "The paid time of the instance is over.",
        "Renew it in the console while it is kept."),
    ("UnsupportedOperation.InstanceLinuxUnixCreatingNotSupportPassword",
        "A password cannot be given at the purchase of a Linux instance.",
        "Use `login: {key_ids: […]}`, or set the password after the purchase."),
    ("UnsupportedOperation.InvalidInstanceState",
        "The present state of the instance does not allow this.",
        "Run again when it is RUNNING or STOPPED."),
    ("UnsupportedOperation.LatestOperationUnfinished",
        "The last operation on the instance is still running.",
        "Run again when it is over."),
    ("UnsupportedOperation.ResourceNotReturnable",
        "The instance cannot be returned for a refund.",
        "Let it run out; lhprov keeps it on record."),
    ("UnsupportedProtocol",
        "The service does not speak this protocol.",
        "Check `--endpoint`: Tencent Cloud takes HTTPS."),
    ("UnsupportedRegion",
        "The service does not work in this region.",
        "`lhprov catalog regions` lists the regions."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::classify::classify;
    use crate::cloud::error::ErrorClass;

    #[test]
    fn sorted_and_unique() {
        let codes: Vec<&str> = explained_codes().collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:#?}");
    }

    #[test]
    fn full_sentences() {
        for code in explained_codes() {
            let Explanation { meaning, way_out } = explanation(code).expect("listed");
            for text in [meaning, way_out] {
                assert!(text.ends_with('.'), "{code}: {text}");
            }
        }
    }

    #[test]
    fn families_explain_their_children() {
        assert_eq!(explanation("ResourcesSoldOut.Brandnew"), explanation("ResourcesSoldOut"));
        assert_eq!(explanation("Brandnew.Family"), None);
        assert_eq!(explanation(""), None);
    }

    /// What may have bought must not be explained as if nothing had happened.
    #[test]
    fn ambiguous_codes_say_what_a_repetition_does() {
        for code in explained_codes().filter(|code| classify(code) == ErrorClass::Ambiguous) {
            assert!(explanation(code).expect("listed").way_out.starts_with("Run again"), "{code}");
        }
    }
}
