//! Which actions there are: service, version, rate, and whether a region must be named.
//!
//! The rates are the documented ones and stand here apart from the client's table on purpose: a number mistaken once must
//! not agree with itself.

/// An action of a service.
#[derive(Debug)]
pub struct Action {
    /// The service that requests are signed for.
    pub service: &'static str,
    /// `X-TC-Action`.
    pub name: &'static str,
    /// Requests a second. 10 where no page says.
    pub rate: u32,
    /// Whether it answers without `X-TC-Region`.
    pub anywhere: bool,
}

/// A rate that no page gives.
const UNSAID: u32 = 10;

const fn lighthouse(name: &'static str, rate: u32) -> Action {
    Action { service: "lighthouse", name, rate, anywhere: false }
}

const fn tag(name: &'static str) -> Action {
    Action { service: "tag", name, rate: UNSAID, anywhere: true }
}

const fn sts(name: &'static str, anywhere: bool) -> Action {
    Action { service: "sts", name, rate: UNSAID, anywhere }
}

/// All actions. Names are told apart without their service.
pub static ACTIONS: [Action; 39] = [
    lighthouse("ApplyFirewallTemplate", 20),
    lighthouse("AssociateInstancesKeyPairs", 10),
    lighthouse("CreateInstances", 5),
    lighthouse("DescribeBlueprints", 10),
    lighthouse("DescribeBundleDiscount", UNSAID),
    lighthouse("DescribeBundles", 5),
    lighthouse("DescribeDisks", UNSAID),
    lighthouse("DescribeGeneralResourceQuotas", 10),
    lighthouse("DescribeInstances", 100),
    lighthouse("DescribeInstancesDeniedActions", 10),
    lighthouse("DescribeInstancesReturnable", UNSAID),
    lighthouse("DescribeKeyPairs", 100),
    lighthouse("DescribeModifyInstanceBundles", 20),
    Action { anywhere: true, ..lighthouse("DescribeRegions", UNSAID) },
    lighthouse("DescribeResetInstanceBlueprints", 20),
    lighthouse("DescribeSnapshots", 20),
    lighthouse("DescribeZones", UNSAID),
    lighthouse("DisassociateInstancesKeyPairs", UNSAID),
    lighthouse("InquirePriceCreateInstances", 10),
    lighthouse("InquirePriceRenewInstances", UNSAID),
    lighthouse("IsolateInstances", 20),
    lighthouse("ModifyInstancesAttribute", 10),
    lighthouse("ModifyInstancesBundle", 20),
    lighthouse("ModifyInstancesRenewFlag", 20),
    lighthouse("RebootInstances", 10),
    lighthouse("RenewInstances", 20),
    lighthouse("ResetInstance", 10),
    lighthouse("ResetInstancesPassword", UNSAID),
    lighthouse("StartInstances", 10),
    lighthouse("StopInstances", 10),
    lighthouse("TerminateInstances", 10),
    sts("AssumeRole", false),
    sts("GetCallerIdentity", true),
    tag("DescribeResourceTags"),
    tag("DescribeResourceTagsByResourceIds"),
    tag("GetResources"),
    tag("ModifyResourceTags"),
    tag("TagResources"),
    tag("UnTagResources"),
];

/// The actions that begin an operation on an instance that exists.
pub const OPERATIONS: [&str; 11] = [
    "AssociateInstancesKeyPairs",
    "DisassociateInstancesKeyPairs",
    "IsolateInstances",
    "ModifyInstancesBundle",
    "RebootInstances",
    "RenewInstances",
    "ResetInstance",
    "ResetInstancesPassword",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
];

/// What dry runs of a purchase are counted as, and what a fault names to meet them alone.
pub const DRY_RUN: &str = "DryRun";

/// What a call is counted as: its action, or a dry run, which buys nothing and therefore is none of the purchases.
pub fn counted_as<'a>(action: &'a str, body: &serde_json::Value) -> &'a str {
    match action {
        "CreateInstances" if body["DryRun"] == true => DRY_RUN,
        action => action,
    }
}

/// The version of a service's actions, if there is such a service.
pub fn version(service: &str) -> Option<&'static str> {
    match service {
        "lighthouse" => Some("2020-03-24"),
        "sts" | "tag" => Some("2018-08-13"),
        _ => None,
    }
}

/// An action of a service.
pub fn find(service: &str, name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.service == service && action.name == name)
}

/// An action by its name alone.
pub fn named(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// Whether the sandbox has an action.
pub fn knows(service: &str, name: &str) -> bool {
    find(service, name).is_some() || (service == "lighthouse" && name == DRY_RUN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_tell_actions_apart() {
        let keys: Vec<_> = ACTIONS.iter().map(|action| (action.service, action.name)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for action in &ACTIONS {
            assert_eq!(ACTIONS.iter().filter(|other| other.name == action.name).count(), 1, "{}", action.name);
            assert!(version(action.service).is_some() && action.rate > 0);
        }
        assert!(OPERATIONS.iter().all(|name| knows("lighthouse", name)));
    }

    #[test]
    fn the_client_asks_no_faster_than_is_admitted() {
        for action in &ACTIONS {
            let client = crate::cloud::limits::rate_per_second(action.name);
            assert!(client <= action.rate, "{}: {client} a second, and {} are admitted", action.name, action.rate);
        }
    }
}
