//! A refused dry run in words, at the attribute that it is about.

use super::answers::Refusal;
use super::fit::Case;
use super::{place, quota_name};
use crate::diag::Diagnostic;

/// Parts of the service's codes, and the key of the manifest that they are about. The first that fits counts.
const ABOUT: [(&str, &str); 16] = [
    ("BundleAndBlueprint", "blueprint_id"),
    ("BlueprintCombination", "blueprint_id"),
    ("BlueprintPlatform", "blueprint_id"),
    ("ZonesHasNoBundleConfigs", "zones"),
    ("SoldOut", "bundle_id"),
    ("InstanceQuota", "bundle_id"),
    ("NumLimit", "bundle_id"),
    ("Bundle", "bundle_id"),
    ("Blueprint", "blueprint_id"),
    ("Zone", "zones"),
    ("KeyPair", "login"),
    ("Password", "login"),
    ("FirewallTemplate", "firewall_template_id"),
    ("InitCommand", "init_command"),
    ("InstanceName", "instance_name"),
    ("Domain", "domain_name"),
];

pub(super) fn explain(case: &Case<'_>, refusal: &Refusal) -> Diagnostic {
    let Refusal { code, message, help } = refusal;
    let key = ABOUT.iter().find(|(part, _)| code.contains(part)).map(|(_, key)| *key);
    let at = key.map_or(case.instance.span, |key| place(case.instance, key));
    let is = |part: &str| code.contains(part);
    let members = case.members;
    let (kind, summary) = if is("SoldOut") {
        ("sold-out", format!("the bundle `{}` is sold out", case.batch.spec.bundle_id))
    } else if is("InstanceQuota") || is("NumLimit") {
        ("quota", format!("the quota does not admit {members}"))
    } else if is("InsufficientBalance") || is("BalanceInsufficient") {
        ("balance", format!("the balance of the account does not pay for {members}"))
    } else {
        ("dry-run", format!("the service would refuse the purchase of {members}"))
    };
    let mut problem = Diagnostic::error(kind, summary)
        .at(at)
        .label(code.clone())
        .detail(format!("The service says: {}.", message.trim_end_matches('.')));
    let spec = &case.batch.spec;
    let facts = case.bundles().and_then(|bundles| bundles.get(&spec.bundle_id));
    if let ("sold-out", Some(facts)) = (kind, facts) {
        let blueprints = case.answers.blueprints.as_ref().and_then(|blueprints| blueprints.as_ref().ok());
        let image = blueprints.and_then(|blueprints| blueprints.get(&spec.blueprint_id));
        problem = case.nearest(problem, facts, image);
    }
    if let ("quota", Some(facts)) = (kind, facts)
        && let Some(Ok(quotas)) = &case.answers.quotas
        && let Some(quota) = quotas.get(&quota_name(&facts.kind))
    {
        problem = problem.help(format!("{} has {} left of {}", facts.kind, quota.available, quota.total));
    }
    if kind == "balance" {
        let key = super::questions::price_key(case.batch);
        if let Some(Ok(price)) = case.answers.prices.get(&key) {
            problem = problem.help(format!("one purchase of it costs {} {}", price.now, price.currency));
        }
    }
    match help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    }
}
