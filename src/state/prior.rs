//! The prior state: what the last run recorded.

use super::applied::AppliedSpec;
use super::departure::DepartureReason;
use crate::model::{Address, Attributes, InstanceId, Life, Lineage, Predecessor, Site, StackName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a state belongs to. It is refused against anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The fleet.
    pub stack: StackName,
    /// Which Tencent Cloud.
    pub site: Site,
    /// The stack's region.
    pub region: String,
    /// Endpoint URL, or `sandbox`.
    pub endpoint: String,
    /// Account id, where the service told it.
    pub account: Option<String>,
}

/// A state snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorState {
    /// Identity of this history.
    pub lineage: Lineage,
    /// Rises by one with each changed write.
    pub serial: u64,
    /// What it belongs to.
    pub binding: Binding,
    /// What stands at each address.
    pub instances: BTreeMap<Address, RecordedInstance>,
    /// Bought instances that no address stands for.
    pub deposed: Vec<Deposed>,
    /// Kinds other than instances; none yet, kept as found.
    pub resources: BTreeMap<String, Value>,
    /// Last instance or purchase at addresses where nothing stands now.
    pub predecessors: BTreeMap<Address, Predecessor>,
    /// Outputs of the last apply; null where an instance was not there yet.
    pub outputs: BTreeMap<String, Value>,
}

/// One recorded instance.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedInstance {
    /// Its id.
    pub instance_id: InstanceId,
    /// What stood at the address before it; part of its purchase's token.
    pub predecessor: Predecessor,
    /// Whether a refresh has ever listed it.
    pub seen: bool,
    /// Kept so that removing the block does not remove the protection.
    pub protect: bool,
    /// Recovered by ownership tags or by name without any history, and not confirmed by the user yet: another repository
    /// with the same stack name may own it. Nothing is done to it without confirmation.
    pub unconfirmed: bool,
    /// The spec last applied, in the manifest's words; null for one found again of which nothing is known.
    pub spec: AppliedSpec,
    /// Its destroy was requested as the first half of a replacement (`replace: destroy_first`): once it is isolated, the
    /// purchase of its successor follows.
    pub replacing: bool,
    /// What the cloud said of it last.
    pub attributes: Attributes,
}

/// A bought instance that no address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposed {
    /// Where it stood.
    pub address: Address,
    /// Its id.
    pub instance_id: InstanceId,
    /// Why it does not hold the address any more.
    pub reason: DepartureReason,
}

impl RecordedInstance {
    /// Whether `state rebuild` recorded it although the manifest does not have it. It is protected until the manifest has it,
    /// or the user confirms it.
    pub fn is_held_by_rebuild(&self) -> bool {
        self.unconfirmed && self.protect && self.spec.is_null()
    }

    /// Whether a reading has shown it after its creation. Such an instance can no longer fail to launch.
    pub fn has_run(&self) -> bool {
        self.seen
            && !self.attributes.state.is_empty()
            && !matches!(self.attributes.life(), Life::Pending | Life::Failed)
    }

    /// For programs, and for outputs: what `show --json` prints of it.
    pub fn to_json(&self) -> Value {
        json!({
            "instance_id": self.instance_id,
            "predecessor": self.predecessor.as_str(),
            "protect": self.protect,
            "seen": self.seen,
            "spec": self.spec,
            "attributes": self.attributes,
            "unconfirmed": self.unconfirmed,
        })
    }
}

impl Deposed {
    /// Whether the service has refused to take it back.
    pub fn is_kept(&self) -> bool {
        matches!(self.reason, DepartureReason::NotReturnable(_))
    }

    /// Whether another instance has replaced it.
    pub fn is_displaced(&self) -> bool {
        self.reason == DepartureReason::Displaced
    }
}

impl PriorState {
    /// An empty state at serial 0, not yet written.
    pub fn new(lineage: Lineage, binding: Binding) -> Self {
        Self {
            lineage,
            serial: 0,
            binding,
            instances: BTreeMap::new(),
            deposed: Vec::new(),
            resources: BTreeMap::new(),
            predecessors: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// The predecessor that a purchase for `address` has to name.
    pub fn predecessor(&self, address: &Address) -> &Predecessor {
        self.predecessors.get(address).unwrap_or(Predecessor::NOTHING)
    }

    /// Moves what is recorded at addresses to others, all at once. What stood there before goes along: it is part of the next
    /// purchase's token wherever that is made. Nothing may stand where something moves to.
    pub fn relocate(&mut self, list: &[(Address, Address)]) {
        let instances: Vec<_> = list.iter().map(|(from, _)| self.instances.remove(from)).collect();
        let predecessors: Vec<_> = list.iter().map(|(from, _)| self.predecessors.remove(from)).collect();
        for ((_, to), (instance, predecessor)) in list.iter().zip(instances.into_iter().zip(predecessors)) {
            match (instance, predecessor) {
                (Some(instance), _) => {
                    self.predecessors.remove(to);
                    self.instances.insert(to.clone(), instance);
                }
                // What stood at the target itself is nearer.
                (None, Some(predecessor)) => {
                    self.predecessors.entry(to.clone()).or_insert(predecessor);
                }
                (None, None) => {}
            }
        }
    }

    /// Whether anything is or was recorded at `address`.
    pub fn knows(&self, address: &Address) -> bool {
        self.instances.contains_key(address)
            || self.predecessors.contains_key(address)
            || self.deposed.iter().any(|deposed| deposed.address == *address)
    }

    /// The address that holds `id`.
    pub fn holder(&self, id: &InstanceId) -> Option<&Address> {
        self.instances.iter().find(|(_, recorded)| recorded.instance_id == *id).map(|(address, _)| address)
    }

    /// Whether it records nothing at all.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.deposed.is_empty()
    }
}
