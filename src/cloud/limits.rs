//! Documented batch sizes and request rates, each with its source.
//!
//! Marks: *model* = the official API model of 2020-03-24; *seed* = the international page of CreateInstances of
//! 2023-12-04; *intl:N* = tencentcloud.com/document/product/1103/N; *cn:N* = cloud.tencent.com/document/product/1207/N.

use std::time::Duration;

/// Most instances in one CreateInstances (model, seed).
pub const CREATE_BATCH_MAX: usize = 30;

/// Most ids, and largest `Limit`, in one DescribeInstances (model).
pub const DESCRIBE_BATCH_MAX: usize = 100;

/// Most instances that a listing may count. Ten times the largest fleet that is measured; a number from outside beyond it would
/// decide how much memory the listing takes.
pub const LISTED_INSTANCES_MAX: u64 = 100_000;

/// Most rows of any other listing, such as bundles and images: an account has dozens.
pub const LISTED_ROWS_MAX: usize = 20_000;

/// Most resources in one IsolateInstances, attached data disks counted (model).
pub const ISOLATE_BATCH_MAX: usize = 20;

/// Most ids in one TerminateInstances (model).
pub const TERMINATE_BATCH_MAX: usize = 100;

/// Most ids in one ModifyInstancesAttribute, which gives all of them the same name (model).
pub const RENAME_BATCH_MAX: usize = 100;

/// Most ids in one ModifyInstancesRenewFlag, StartInstances, StopInstances, ResetInstancesPassword, RenewInstances and
/// AssociateInstancesKeyPairs, and of its opposite, and in one ApplyFirewallTemplate (model).
pub const CHANGE_BATCH_MAX: usize = 100;

/// Most ids in one ModifyInstancesBundle: the text of the action says 30, that of the parameter 15 (model; intl:55090).
pub const UPGRADE_BATCH_MAX: usize = 15;

/// Longest ClientToken, in ASCII characters (model, seed).
pub const CLIENT_TOKEN_MAX: usize = 64;

/// Longest instance name, in characters (model, ModifyInstancesAttribute).
pub const INSTANCE_NAME_MAX: usize = 60;

/// Seconds for which the service accepts a signature (intl "Common Params" pages).
pub const SIGNATURE_VALID_SECS: u64 = 300;

/// How long the client waits for an answer, from the connection to its end (as the official Python SDK).
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Requests a second that an action admits. An action without a known limit is taken at 10.
pub fn rate_per_second(action: &str) -> u32 {
    match action {
        // Seed 2023-12 and intl:45859 of 2026-01 say 5, intl:45859 of 2026-05 says 10: the smaller until told otherwise.
        "CreateInstances" => 5,
        // intl:42472, cn:47575.
        "DescribeBundles" => 5,
        // cn:47573; intl:42498 said 10 in 2022 and 100 since 2023-12.
        "DescribeInstances" => 100,
        // intl:55091; intl:44053; intl:57991; intl:55090.
        "IsolateInstances" | "ModifyInstancesRenewFlag" | "RenewInstances" | "ModifyInstancesBundle" => 20,
        // intl:42494, 42493; cn:96883; intl:42451.
        "DescribeModifyInstanceBundles"
        | "DescribeResetInstanceBlueprints"
        | "ApplyFirewallTemplate"
        | "DescribeSnapshots" => 20,
        // intl:42486, 42492, 42503, 42470, 42475 and, for the rest, undocumented.
        _ => 10,
    }
}
