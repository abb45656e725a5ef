//! One change of one instance: which action makes it, with what body, and what shows that it is made.

use crate::apply::failure_policy::Operation;
use crate::cloud::limits::{CHANGE_BATCH_MAX, RENAME_BATCH_MAX, UPGRADE_BATCH_MAX};
use crate::cloud::port::{Service, WriteAction};
use crate::model::attributes::Field;
use crate::model::{
    Attributes, InstanceId, InstanceSpec, Life, Login, ObservedInstance, Power, Secret, Site, Timestamp,
};
use crate::plan::attribute::Kind;
use crate::plan::request::create_body;
use crate::plan::{Action, Change, Reason};
use crate::state::{AppliedSpec, OrderKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What tells before a renewal that it brings an instance back: its paid time may begin anew.
const ISOLATED: &str = "isolated";

/// A step. Equal steps of several instances share a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Step {
    Rename(String),
    RenewFlag(String),
    Tags {
        set: BTreeMap<String, String>,
        remove: BTreeSet<String>,
    },
    Upgrade {
        to: String,
        voucher: bool,
    },
    /// With the login or without, as the site's action takes it.
    Reinstall {
        to: String,
        login: bool,
    },
    Unbind {
        keys: Vec<String>,
        mode: BindMode,
    },
    Bind {
        keys: Vec<String>,
        mode: BindMode,
    },
    /// Replaces the instance's firewall rules by those of a template.
    Firewall(String),
    /// By its fingerprint.
    Password(String),
    Power(Power),
    Renew {
        months: u32,
        voucher: bool,
    },
}

/// How key pairs are bound. What the service does without the parameter is not documented, so it is always sent where the
/// site has it (model: AssociateType and DisassociateType, site china).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum BindMode {
    /// The machine keeps running.
    Online,
    /// A running machine is shut down.
    Offline,
    /// The site has no such parameter; a running machine is shut down.
    SiteHasNoMode,
}

impl BindMode {
    /// `shut_down` is whether an earlier step of the change stops the machine.
    fn choose(site: Site, live: Option<&ObservedInstance>, shut_down: bool) -> Self {
        match site {
            Site::International => BindMode::SiteHasNoMode,
            Site::China if !shut_down && live.is_some_and(|live| live.attributes.state == "RUNNING") => {
                BindMode::Online
            }
            Site::China => BindMode::Offline,
        }
    }

    fn add_to(self, body: &mut Value, parameter: &str) {
        match self {
            BindMode::Online => body[parameter] = json!("ONLINE"),
            BindMode::Offline => body[parameter] = json!("OFFLINE"),
            BindMode::SiteHasNoMode => {}
        }
    }
}

/// What a call needs beside its step.
pub(in super::super) struct CallParts<'a> {
    pub ids: Vec<&'a InstanceId>,
    pub spec: Option<&'a InstanceSpec>,
    pub secret: Option<&'a Secret>,
    pub region: &'a str,
    pub account: &'a str,
}

impl Step {
    pub(in super::super) fn action(&self) -> WriteAction {
        match self {
            Step::Rename(_) => WriteAction::ModifyInstancesAttribute,
            Step::RenewFlag(_) => WriteAction::ModifyInstancesRenewFlag,
            Step::Tags { .. } => WriteAction::ModifyResourceTags,
            Step::Upgrade { .. } => WriteAction::ModifyInstancesBundle,
            Step::Reinstall { .. } => WriteAction::ResetInstance,
            Step::Unbind { .. } => WriteAction::DisassociateInstancesKeyPairs,
            Step::Firewall(_) => WriteAction::ApplyFirewallTemplate,
            Step::Bind { .. } => WriteAction::AssociateInstancesKeyPairs,
            Step::Password(_) => WriteAction::ResetInstancesPassword,
            Step::Power(Power::Running) => WriteAction::StartInstances,
            Step::Power(Power::Stopped) => WriteAction::StopInstances,
            Step::Renew { .. } => WriteAction::RenewInstances,
        }
    }

    /// How many instances one call takes.
    pub(in super::super) fn batch_max(&self) -> usize {
        match self {
            Step::Rename(_) => RENAME_BATCH_MAX,
            // One resource with its tags to a call; one instance with its image to a call.
            Step::Tags { .. } | Step::Reinstall { .. } => 1,
            Step::Upgrade { .. } => UPGRADE_BATCH_MAX,
            _ => CHANGE_BATCH_MAX,
        }
    }

    /// Whether the answer only means that it has begun (model: the texts of the actions).
    pub(in super::super) fn is_asynchronous(&self) -> bool {
        !matches!(self, Step::Rename(_) | Step::RenewFlag(_) | Step::Tags { .. } | Step::Firewall(_))
    }

    /// The operation that decides how its failures are handled.
    pub(in super::super) fn operation(&self) -> Operation {
        match self.order_kind() {
            Some(_) => Operation::Order,
            None if self.action().service() == Service::Tag => Operation::Tag,
            None => Operation::Change,
        }
    }

    /// Whether it is an order: to be written down first, and not simply to be repeated.
    pub(in super::super) fn order_kind(&self) -> Option<OrderKind> {
        match self {
            Step::Upgrade { .. } => Some(OrderKind::Upgrade),
            Step::Reinstall { .. } => Some(OrderKind::Reinstall),
            Step::Renew { .. } => Some(OrderKind::Renew),
            _ => None,
        }
    }

    /// What an order is for.
    pub(in super::super) fn order_to(&self) -> String {
        match self {
            Step::Upgrade { to, .. } | Step::Reinstall { to, .. } => to.clone(),
            Step::Renew { months, .. } => months.to_string(),
            _ => String::new(),
        }
    }

    /// What tells before an order how it was.
    pub(in super::super) fn before(&self, live: &ObservedInstance) -> String {
        let attributes = &live.attributes;
        match self {
            Step::Upgrade { .. } => attributes.bundle_id.clone(),
            Step::Reinstall { .. } => attributes.blueprint_id.clone(),
            _ if attributes.life() == Life::Isolated => ISOLATED.to_owned(),
            _ => attributes.expired_time.map(|time| time.to_string()).unwrap_or_default(),
        }
    }

    /// Whether an instance shows that the step is made; `None` if nothing shows it.
    pub(in super::super) fn is_made(&self, live: &ObservedInstance, before: &str) -> Option<bool> {
        let attributes = &live.attributes;
        let field = match self {
            Step::Rename(_) => Some(Field::InstanceName),
            Step::RenewFlag(_) => Some(Field::RenewFlag),
            Step::Tags { .. } => Some(Field::Tags),
            Step::Upgrade { .. } => Some(Field::BundleId),
            Step::Reinstall { .. } => Some(Field::BlueprintId),
            Step::Unbind { .. } | Step::Bind { .. } => Some(Field::KeyIds),
            Step::Power(_) => Some(Field::State),
            Step::Renew { .. } if before == ISOLATED => Some(Field::State),
            Step::Password(_) | Step::Firewall(_) | Step::Renew { .. } => None,
        };
        if field.is_some_and(|field| attributes.unreported.has(field)) {
            return None;
        }
        let has = |ids: &[String]| ids.iter().all(|id| attributes.key_ids.contains(id));
        Some(match self {
            Step::Rename(name) => attributes.instance_name == *name,
            Step::RenewFlag(flag) => attributes.renew_flag == *flag,
            Step::Tags { set, remove } => {
                set.iter().all(|(key, value)| attributes.tags.get(key) == Some(value))
                    && !remove.iter().any(|key| attributes.tags.contains_key(key))
            }
            Step::Upgrade { to, .. } => attributes.bundle_id == *to,
            Step::Reinstall { to, .. } => attributes.blueprint_id == *to,
            Step::Unbind { keys, .. } => !keys.iter().any(|id| attributes.key_ids.contains(id)),
            Step::Bind { keys, .. } => has(keys),
            // No field shows either. Both may be repeated: the second time changes nothing.
            Step::Password(_) | Step::Firewall(_) => return None,
            Step::Power(Power::Running) => attributes.state == "RUNNING",
            Step::Power(Power::Stopped) => attributes.state == "STOPPED",
            Step::Renew { .. } if before == ISOLATED => matches!(attributes.life(), Life::Running | Life::Other),
            // The end of the paid time of what is in service only ever rises.
            Step::Renew { .. } => attributes.expired_time? > Timestamp::parse(before)?,
        })
    }

    /// Lets an observation show a step that its answer proved; it was made before.
    pub(in super::super) fn show_on(&self, attributes: &mut Attributes) {
        match self {
            Step::Rename(name) => attributes.instance_name.clone_from(name),
            Step::RenewFlag(flag) => attributes.renew_flag.clone_from(flag),
            Step::Tags { set, remove } => {
                attributes.tags.extend(set.clone());
                attributes.tags.retain(|key, _| !remove.contains(key));
            }
            _ => {}
        }
    }

    /// The body of the call.
    pub(in super::super) fn body(&self, parts: &CallParts<'_>) -> Value {
        let ids = &parts.ids;
        match self {
            Step::Rename(name) => json!({"InstanceIds": ids, "InstanceName": name}),
            Step::RenewFlag(flag) => json!({"InstanceIds": ids, "RenewFlag": flag}),
            Step::Tags { set, remove } => {
                let replace: Vec<Value> =
                    set.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
                let delete: Vec<Value> = remove.iter().map(|key| json!({"TagKey": key})).collect();
                let id = ids.first().map(|id| id.as_str()).unwrap_or_default();
                let resource = format!("qcs::lighthouse:{}:uin/{}:instance/{id}", parts.region, parts.account);
                let mut body = json!({"Resource": resource});
                for (key, list) in [("ReplaceTags", replace), ("DeleteTags", delete)] {
                    if !list.is_empty() {
                        body[key] = Value::Array(list);
                    }
                }
                body
            }
            Step::Upgrade { to, voucher } => with_voucher(json!({"InstanceIds": ids, "BundleId": to}), *voucher),
            Step::Reinstall { to, login } => reinstall_body(to, *login, parts),
            Step::Unbind { keys, mode } => {
                let mut body = json!({"InstanceIds": ids, "KeyIds": keys});
                mode.add_to(&mut body, "DisassociateType");
                body
            }
            Step::Bind { keys, mode } => {
                let mut body = json!({"InstanceIds": ids, "KeyIds": keys});
                mode.add_to(&mut body, "AssociateType");
                body
            }
            Step::Firewall(template) => {
                let instances: Vec<Value> =
                    ids.iter().map(|id| json!({"InstanceId": id, "Region": parts.region})).collect();
                json!({"TemplateId": template, "ApplyInstances": instances})
            }
            Step::Password(_) => {
                json!({"InstanceIds": ids, "Password": parts.secret.map(Secret::expose).unwrap_or_default()})
            }
            Step::Power(_) => json!({"InstanceIds": ids}),
            Step::Renew { months, voucher } => {
                // The default of RenewDataDisk is true: attached data disks would be renewed and billed unasked.
                let body = json!({
                    "InstanceIds": ids,
                    "InstanceChargePrepaid": {"Period": months},
                    "RenewDataDisk": false,
                });
                with_voucher(body, *voucher)
            }
        }
    }

    /// Keys of the spec that hold once the step is made, of the spec that is wanted as a whole.
    pub(in super::super) fn spec_keys(&self, wanted: &Value, recorded: &AppliedSpec) -> Value {
        let take = |keys: &[&str]| -> Value {
            keys.iter().map(|key| ((*key).to_owned(), wanted[*key].clone())).collect::<serde_json::Map<_, _>>().into()
        };
        match self {
            Step::Rename(_) => take(&["instance_name"]),
            Step::RenewFlag(flag) => {
                let mut charge = recorded["charge"].clone();
                charge["renew_flag"] = json!(flag);
                json!({"charge": charge})
            }
            Step::Tags { .. } => take(&["tags"]),
            Step::Upgrade { .. } => take(&["bundle_id"]),
            Step::Reinstall { login: true, .. } => take(&["blueprint_id", "containers", "login"]),
            Step::Reinstall { login: false, .. } => take(&["blueprint_id", "containers"]),
            Step::Bind { .. } | Step::Unbind { .. } | Step::Password(_) => take(&["login"]),
            Step::Firewall(_) => take(&["firewall_template_id"]),
            Step::Power(_) | Step::Renew { .. } => Value::Null,
        }
    }
}

/// The body of an IsolateInstances. The default of IsolateDataDisk is true, which would return data disks that somebody
/// attached by hand and no plan showed.
pub(in super::super) fn isolate_body<'a>(ids: impl Iterator<Item = &'a InstanceId>) -> Value {
    json!({"InstanceIds": ids.collect::<Vec<_>>(), "IsolateDataDisk": false})
}

/// The body of a TerminateInstances, which has no other parameter.
pub(in super::super) fn terminate_body<'a>(ids: impl Iterator<Item = &'a InstanceId>) -> Value {
    json!({"InstanceIds": ids.collect::<Vec<_>>()})
}

fn with_voucher(mut body: Value, voucher: bool) -> Value {
    if voucher {
        body["AutoVoucher"] = json!(true);
    }
    body
}

/// A fresh disk gets what a new instance would get, as far as the action takes it: containers, and on site china the login.
fn reinstall_body(to: &str, login: bool, parts: &CallParts<'_>) -> Value {
    let mut body = json!({"InstanceId": parts.ids.first(), "BlueprintId": to});
    let Some(spec) = parts.spec else { return body };
    let fresh = create_body(spec, 1);
    if let Some(containers) = fresh.get("Containers") {
        body["Containers"] = containers.clone();
    }
    if login {
        match (&spec.login, parts.secret) {
            (Some(Login::KeyIds(ids)), _) => body["LoginConfiguration"] = json!({"KeyIds": ids}),
            (Some(Login::Password(_)), Some(secret)) => {
                body["LoginConfiguration"] = json!({"AutoGeneratePassword": "NO", "Password": secret.expose()});
            }
            _ => {}
        }
    }
    body
}

/// The steps of a change, in the order in which they are made: what needs no operation first, power last.
pub(in super::super) fn steps(
    change: &Change,
    wanted: Option<(&InstanceSpec, Option<Power>)>,
    live: Option<&ObservedInstance>,
    salt: &str,
    site: Site,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let voucher = wanted.is_some_and(|(spec, _)| spec.auto_voucher);
    if let (Action::Renew, Reason::MoreTime { months, .. }) = (change.action, &change.reason) {
        return vec![Step::Renew { months: *months, voucher }];
    }
    let Some((spec, power)) = wanted else { return steps };
    let mut shuts_down = false;
    let reinstalls = change.diffs.iter().any(|diff| diff.kind == Kind::BlueprintId);
    for diff in &change.diffs {
        let to = || diff.after.as_str().unwrap_or_default().to_owned();
        match diff.kind {
            Kind::InstanceName => steps.push(Step::Rename(to())),
            Kind::RenewFlag => steps.push(Step::RenewFlag(to())),
            Kind::Tags | Kind::OwnershipTags => add_tags(&mut steps, &diff.before, &diff.after),
            Kind::BundleId => {
                steps.push(Step::Upgrade { to: to(), voucher });
                shuts_down = true;
            }
            Kind::BlueprintId => {
                steps.push(Step::Reinstall { to: to(), login: site == Site::China });
                if let (Site::International, Some(secret)) = (site, spec.password()) {
                    steps.push(Step::Password(secret.fingerprint(salt)));
                }
                shuts_down = true;
            }
            Kind::KeyIds => {
                let (before, after) = (ids(&diff.before), ids(&diff.after));
                // Whether binding some takes the others away is not documented: all that are wanted go in one call, and what
                // is bound beside them afterwards is taken away.
                let mode = BindMode::choose(site, live, shuts_down);
                if !after.is_subset(&before) {
                    steps.push(Step::Bind { keys: after.iter().cloned().collect(), mode });
                }
                let gone: Vec<String> = before.difference(&after).cloned().collect();
                if !gone.is_empty() {
                    steps.push(Step::Unbind { keys: gone, mode });
                }
                shuts_down |= mode != BindMode::Online;
            }
            // A fresh disk has got its password already.
            Kind::Password if reinstalls => {}
            Kind::Password => {
                if let Some(secret) = spec.password() {
                    steps.push(Step::Password(secret.fingerprint(salt)));
                    shuts_down = true;
                }
            }
            Kind::FirewallTemplateId => steps.push(Step::Firewall(to())),
            // The last step turns the machine on or off.
            Kind::Power => {}
            // These go with another instance, with a fresh disk, or change nothing of an instance.
            Kind::AutoGeneratePassword
            | Kind::Zones
            | Kind::Region
            | Kind::Containers
            | Kind::InitCommand
            | Kind::DomainName
            | Kind::Subdomain
            | Kind::Period
            | Kind::AutoVoucher
            | Kind::Protect => {}
        }
    }
    let was_running = live.is_none_or(|live| !live.attributes.is_stopped());
    match power {
        Some(power) => {
            let differs = change.diffs.iter().any(|diff| diff.kind == Kind::Power);
            if shuts_down || differs {
                steps.push(Step::Power(power));
            }
        }
        // What a change shuts down comes up again.
        None if shuts_down && was_running => steps.push(Step::Power(Power::Running)),
        None => {}
    }
    steps
}

fn ids(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Tags of the user and those of lhprov go in one call.
fn add_tags(steps: &mut Vec<Step>, before: &Value, after: &Value) {
    let map = |value: &Value| -> BTreeMap<String, String> {
        let pairs = value.as_object().into_iter().flatten();
        pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let (before, after) = (map(before), map(after));
    let remove: BTreeSet<String> = before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    let set: BTreeMap<String, String> =
        after.into_iter().filter(|(key, value)| before.get(key) != Some(value)).collect();
    match steps
        .iter_mut()
        .find_map(|step| if let Step::Tags { set, remove } = step { Some((set, remove)) } else { None })
    {
        Some((all_set, all_removed)) => {
            all_set.extend(set);
            all_removed.extend(remove);
        }
        None => steps.push(Step::Tags { set, remove }),
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
