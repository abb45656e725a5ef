//! Which instances are bought together.
//!
//! Members of a batch have equal request bodies apart from the name, one password, equal dependencies, and no domain name. Batches are
//! cut at fixed places of the sorted list of *all* such members of the manifest (0–29, 30–59, …), not at what happens to be
//! missing: two runs of one commit that know different things still ask for the same batches.

use super::request::create_body;
use super::token::client_token;
use crate::cloud::limits::CREATE_BATCH_MAX;
use crate::desired::{DependencyRef, DesiredInstance, DesiredState};
use crate::model::digest::canonical;
use crate::model::{Address, ClientToken, InstanceSpec, Predecessor};
use crate::state::{Intent, Member, PriorState};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One purchase: one CreateInstances, one token.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its token.
    pub token: ClientToken,
    /// The request without token and ownership tags, secrets replaced by a marker.
    pub body: Value,
    /// For whom, in order.
    pub members: Vec<Member>,
    /// The first member's spec; the others differ in their name alone.
    pub spec: Arc<InstanceSpec>,
    /// What must be running before.
    pub depends_on: Arc<[DependencyRef]>,
    /// How long its instances may take to run.
    pub create_timeout: Duration,
}

/// What the members of a batch share: the body without its name, the password (a marker stands for it in the body, so two
/// passwords would look alike), the dependencies, the time-out.
type GroupKey = (String, Option<String>, Arc<[DependencyRef]>, Duration);

/// Cuts the fixed list of batches: addresses in order, whatever is missing or not.
pub fn cut(desired: &DesiredState) -> Vec<Vec<&Address>> {
    let mut groups: BTreeMap<GroupKey, Vec<&Address>> = BTreeMap::new();
    let mut cuts: Vec<Vec<&Address>> = Vec::new();
    // Neighbours of a block differ in the name alone, mostly; one comparison then saves making the key.
    let mut last: Option<(&DesiredInstance, GroupKey)> = None;
    for (address, instance) in &desired.instances {
        if instance.spec.domain_name.is_some() || instance.spec.subdomain.is_some() {
            cuts.push(vec![address]);
            continue;
        }
        let key = match &last {
            Some((before, key))
                if same_but_name(&before.spec, &instance.spec)
                    && before.depends_on == instance.depends_on
                    && before.timeouts.create == instance.timeouts.create =>
            {
                key.clone()
            }
            _ => {
                let mut body = create_body(&instance.spec, 1);
                body["InstanceName"] = Value::Null;
                let password = instance.spec.password().map(|password| password.fingerprint("batch"));
                (canonical(&body), password, Arc::clone(&instance.depends_on), instance.timeouts.create)
            }
        };
        groups.entry(key.clone()).or_default().push(address);
        last = Some((instance, key));
    }
    cuts.extend(
        groups
            .into_values()
            .flat_map(|group| group.chunks(CREATE_BATCH_MAX).map(<[&Address]>::to_vec).collect::<Vec<_>>()),
    );
    // In the order of their first members, which is also the order in which they go out.
    cuts.sort();
    cuts
}

/// Whether two specs differ in nothing but the name.
pub(super) fn same_but_name(a: &InstanceSpec, b: &InstanceSpec) -> bool {
    // Destructured, so that a new field cannot be forgotten.
    let InstanceSpec {
        bundle_id,
        blueprint_id,
        charge,
        instance_name: _,
        zones,
        login,
        containers,
        auto_voucher,
        tags,
        firewall_template_id,
        init_command,
        domain_name,
        subdomain,
    } = a;
    *bundle_id == b.bundle_id
        && *blueprint_id == b.blueprint_id
        && *charge == b.charge
        && *zones == b.zones
        && *login == b.login
        && *containers == b.containers
        && *auto_voucher == b.auto_voucher
        && *tags == b.tags
        && *firewall_template_id == b.firewall_template_id
        && *init_command == b.init_command
        && *domain_name == b.domain_name
        && *subdomain == b.subdomain
}

/// Whether the manifest still wants everything that an open purchase would bring, as it would bring it. Then it may be
/// asked for again; otherwise it is only looked for. Another name is given afterwards.
pub fn still_wanted(desired: &DesiredState, state: &PriorState, intent: &Intent) -> bool {
    let Some(name) = intent.body.get("InstanceName") else { return false };
    intent.members.iter().all(|member| {
        let Some(instance) = desired.instances.get(&member.address) else { return false };
        let mut body = create_body(&instance.spec, intent.members.len());
        body["InstanceName"] = name.clone();
        // What is replaced stands there until its successor does.
        let is_after_the_same = match state.instances.get(&member.address) {
            Some(recorded) => member.predecessor.instance() == Some(&recorded.instance_id),
            None => *state.predecessor(&member.address) == member.predecessor,
        };
        body == intent.body && is_after_the_same
    })
}

/// Makes the purchase for those of a cut's addresses that are missing, with their predecessors. `None` if none is.
pub fn batch(desired: &DesiredState, missing: &[(&Address, &Predecessor)]) -> Option<Batch> {
    let first = &desired.instances[missing.first()?.0];
    let members: Vec<Member> = missing
        .iter()
        .map(|(address, predecessor)| {
            let instance = &desired.instances[*address];
            Member {
                address: (*address).clone(),
                predecessor: (*predecessor).clone(),
                name: instance.spec.instance_name.clone(),
                protect: instance.protect,
            }
        })
        .collect();
    let body = create_body(&first.spec, members.len());
    let texts = missing.iter().map(|(address, predecessor)| (*address, predecessor.as_str()));
    let token = client_token(&desired.stack, &desired.region, desired.ownership, texts, &body);
    Some(Batch {
        token,
        body,
        members,
        spec: Arc::clone(&first.spec),
        depends_on: Arc::clone(&first.depends_on),
        create_timeout: first.timeouts.create,
    })
}
