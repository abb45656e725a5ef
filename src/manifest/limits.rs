//! Limits of single values: what is checked, and what the JSON Schema of a manifest says.

/// Longest instance name, in characters (API model, ModifyInstancesAttribute).
pub const NAME_CHARACTERS_MAX: usize = 60;

/// Most key pairs at creation (API model, LoginConfiguration).
pub const KEY_IDS_MAX: usize = 5;

/// Longest init command in seconds (API model, Command).
pub const INIT_COMMAND_SECONDS_MAX: i128 = 86_400;

/// Months that can be bought (API model, InstanceChargePrepaid).
pub const PERIODS_OVER_A_YEAR: [i128; 4] = [24, 36, 48, 60];

/// Requests a second above every documented limit; more would be a slip.
pub const RATE_LIMIT_MAX: i128 = 1000;

/// Attributes that `ignore_changes` may name: those whose differences are told by name.
pub const IGNORABLE: [&str; 13] = [
    "bundle_id",
    "blueprint_id",
    "renew_flag",
    "instance_name",
    "zones",
    "tags",
    "login",
    "containers",
    "init_command",
    "firewall_template_id",
    "domain_name",
    "subdomain",
    "power",
];

/// Actions whose pace can be set.
pub const ACTIONS: &[&str] = &[
    "CreateInstances",
    "DescribeInstances",
    "DescribeBundles",
    "DescribeBlueprints",
    "DescribeZones",
    "DescribeRegions",
    "DescribeGeneralResourceQuotas",
    "DescribeInstancesReturnable",
    "DescribeInstancesDeniedActions",
    "DescribeResetInstanceBlueprints",
    "DescribeDisks",
    "DescribeSnapshots",
    "DescribeModifyInstanceBundles",
    "InquirePriceCreateInstances",
    "InquirePriceRenewInstances",
    "ModifyInstancesAttribute",
    "ModifyInstancesRenewFlag",
    "ModifyInstancesBundle",
    "ResetInstance",
    "ResetInstancesPassword",
    "AssociateInstancesKeyPairs",
    "DisassociateInstancesKeyPairs",
    "RenewInstances",
    "StartInstances",
    "StopInstances",
    "IsolateInstances",
    "TerminateInstances",
    "ApplyFirewallTemplate",
];

/// Transport protocols of published ports.
pub const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
