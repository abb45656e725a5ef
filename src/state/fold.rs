//! What records mean for the state: one function, used while applying, after a crash, and by the simulation.

use super::applied::AppliedSpec;
use super::departure::DepartureReason;
use super::journal::{Header, Intent, Record};
pub use super::order::OpenIntents;
use super::order::OpenOrder;
use super::prior::{Deposed, PriorState, RecordedInstance};
use crate::model::{Address, Attributes, InstanceId, Predecessor, Timestamp};
use serde_json::Value;

/// One attempt of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was written down; the request left at that moment or a little later.
    pub at: Timestamp,
    /// Whether it is proved that it had no effect.
    pub no_effect: bool,
}

/// Ids that a purchase's answer brought, not yet matched to members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// All ids of the answer.
    pub ids: Vec<InstanceId>,
    /// When it came.
    pub at: Timestamp,
    /// The service's request id.
    pub request_id: String,
}

/// A purchase that is not settled.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenIntent {
    /// The intent.
    pub intent: Intent,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Its answer, where one came.
    pub answer: Option<Answered>,
}

impl OpenIntent {
    /// An intent without attempts.
    pub fn new(intent: Intent) -> Self {
        Self { intent, attempts: Vec::new(), answer: None }
    }

    /// Whether an attempt may have bought something that no answer told of.
    pub fn is_unsure(&self) -> bool {
        self.attempts.iter().any(|attempt| !attempt.no_effect)
    }

    /// The first attempt that may have had an effect.
    pub fn first_unsure(&self) -> Option<Timestamp> {
        self.attempts.iter().find(|attempt| !attempt.no_effect).map(|attempt| attempt.at)
    }

    /// The last attempt that may have had an effect.
    pub fn last_unsure(&self) -> Option<Timestamp> {
        self.attempts.iter().rev().find(|attempt| !attempt.no_effect).map(|attempt| attempt.at)
    }

    /// The records that say all this, for a rewritten journal.
    pub fn records(&self) -> Vec<Record> {
        let token = || self.intent.token.clone();
        let mut records = vec![Record::Intent(self.intent.clone())];
        for attempt in &self.attempts {
            records.push(Record::Attempt { token: token(), at: attempt.at });
            if attempt.no_effect {
                records.push(Record::NoEffect { token: token(), why: "earlier".into() });
            }
        }
        if let Some(answer) = &self.answer {
            records.push(Record::Answer {
                token: token(),
                ids: answer.ids.clone(),
                at: answer.at,
                request_id: answer.request_id.clone(),
            });
        }
        records
    }
}

/// Applies a whole journal to the state it continues. A journal that builds on an older serial has been folded already:
/// the state is saved before the journal is rewritten, so only what is still open counts.
///
/// # Errors
/// A sentence's predicate, when the journal continues another state.
pub fn fold(state: &mut PriorState, records: Vec<Record>) -> Result<OpenIntents, String> {
    let mut open = OpenIntents::new();
    let Some(Record::Header(header)) = records.first().cloned() else { return Ok(open) };
    check_header(&header, state)?;
    if header.serial < state.serial {
        let mut scratch = state.clone();
        for record in records {
            apply_record(&mut scratch, &mut open, record);
        }
        return Ok(open);
    }
    for record in records {
        apply_record(state, &mut open, record);
    }
    Ok(open)
}

fn check_header(header: &Header, state: &PriorState) -> Result<(), String> {
    if header.lineage != state.lineage {
        return Err(format!(
            "belongs to another history of stack `{}` (lineage {}, the state has {})",
            header.stack, header.lineage, state.lineage
        ));
    }
    if header.serial > state.serial {
        return Err(format!(
            "continues serial {} of the state, and the state is at serial {}: an older state was put in its place",
            header.serial, state.serial
        ));
    }
    Ok(())
}

/// Applies one record.
pub fn apply_record(state: &mut PriorState, open: &mut OpenIntents, record: Record) {
    match record {
        Record::Header(_) => {}
        Record::Isolate { ids, replaces } => {
            #[cfg(test)]
            let replaces = match crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::ForgetReplacement) {
                true => Vec::new(),
                false => replaces,
            };
            for address in replaces {
                if let Some(recorded) = state.instances.get_mut(&address) {
                    recorded.replacing |= ids.contains(&recorded.instance_id);
                }
            }
        }
        Record::Intent(intent) => {
            open.entry(intent.token.clone()).or_insert_with(|| OpenIntent::new(intent));
        }
        Record::Attempt { token, at } => {
            if let Some(entry) = open.get_mut(&token) {
                entry.attempts.push(Attempt { at, no_effect: false });
            }
        }
        Record::NoEffect { token, .. } => {
            if let Some(attempt) = open.get_mut(&token).and_then(|entry| entry.attempts.last_mut()) {
                attempt.no_effect = true;
            }
        }
        Record::Answer { token, ids, at, request_id } => {
            if let Some(entry) = open.get_mut(&token) {
                entry.answer = Some(Answered { ids, at, request_id });
            }
        }
        Record::Assigned { token, matches, at, .. } => {
            if let Some(entry) = open.remove(&token) {
                assign(state, &entry, &matches, at);
                depose_the_rest(state, &entry, &matches);
            }
        }
        Record::Adopted { address, instance_id, predecessor, spec, protect, unconfirmed } => {
            state.predecessors.remove(&address);
            // An instance has one place.
            state.deposed.retain(|deposed| deposed.instance_id != instance_id);
            let attributes = Attributes::default();
            let spec = AppliedSpec::from(spec);
            let recorded = RecordedInstance {
                instance_id,
                predecessor,
                seen: true,
                protect,
                unconfirmed,
                spec,
                replacing: false,
                attributes,
            };
            state.instances.insert(address, recorded);
        }
        Record::Confirmed { address, instance_id } => confirm(state, &address, &instance_id),
        Record::Refused { token, .. } => {
            if let Some(entry) = open.remove(&token) {
                for member in &entry.intent.members {
                    state.predecessors.insert(member.address.clone(), Predecessor::Purchase(token.clone()));
                }
            }
        }
        Record::Closed { token, .. } => drop(open.remove(&token)),
        Record::Gone { address, instance_id, reason, deposed } => {
            depart(state, &address, &instance_id, reason, deposed);
        }
        Record::Kept { instance_id, why } => {
            for deposed in state.deposed.iter_mut().filter(|deposed| deposed.instance_id == instance_id) {
                deposed.reason = DepartureReason::NotReturnable(why.clone());
            }
        }
        Record::Returned { instance_id } => state.deposed.retain(|d| d.instance_id != instance_id),
        Record::Order(order) => {
            open.orders.insert(order.id.clone(), OpenOrder { order, accepted: None });
        }
        Record::OrderAccepted { order, request_id } => {
            if let Some(entry) = open.orders.get_mut(&order) {
                entry.accepted = Some(request_id);
            }
        }
        Record::OrderSettled { order, instance_id, happened, .. } => {
            settle_order(state, open, &order, &instance_id, happened);
        }
        Record::Applied { address, instance_id, spec } => apply_keys(state, &address, &instance_id, &spec),
    }
}

fn settle_order(state: &mut PriorState, open: &mut OpenIntents, order: &str, id: &InstanceId, happened: bool) {
    let Some(entry) = open.orders.get_mut(order) else { return };
    let targets = &mut entry.order.targets;
    let Some(index) = targets.iter().position(|target| target.instance_id == *id) else { return };
    let target = targets.remove(index);
    if targets.is_empty() {
        open.orders.remove(order);
    }
    if happened {
        apply_keys(state, &target.address, id, &target.spec);
    }
}

/// Sets keys of an instance's spec, if it still stands there.
pub fn apply_keys(state: &mut PriorState, address: &Address, id: &InstanceId, keys: &Value) {
    let Some(recorded) = state.instances.get_mut(address).filter(|recorded| recorded.instance_id == *id) else {
        return;
    };
    let Value::Object(keys) = keys else { return };
    recorded.spec.change(|spec| {
        for (key, value) in keys {
            match value {
                Value::Null => drop(spec.remove(key)),
                value => drop(spec.insert(key.clone(), value.clone())),
            }
        }
    });
}

fn confirm(state: &mut PriorState, address: &Address, id: &InstanceId) {
    if let Some(recorded) = state.instances.get_mut(address).filter(|recorded| recorded.instance_id == *id) {
        recorded.unconfirmed = false;
    }
}

/// Puts the instances of a purchase where they belong. Instances that are found although none of its requests can have had
/// an effect were bought by another writer: only tags or a name tell that they belong to this stack.
fn assign(state: &mut PriorState, open: &OpenIntent, matches: &[(Address, InstanceId)], at: Timestamp) {
    let intent = &open.intent;
    let unconfirmed = open.answer.is_none() && !open.is_unsure();
    let spec = AppliedSpec::from(intent.spec.clone());
    for member in &intent.members {
        let found = matches.iter().find(|(address, _)| *address == member.address);
        let Some((address, id)) = found else {
            // The answer was complete without this member: its batch's token is what makes the next purchase another one.
            state.predecessors.insert(member.address.clone(), Predecessor::Purchase(intent.token.clone()));
            continue;
        };
        let recorded = RecordedInstance {
            instance_id: id.clone(),
            predecessor: member.predecessor.clone(),
            seen: false,
            protect: member.protect,
            unconfirmed,
            spec: spec.named(&member.name),
            replacing: false,
            attributes: Attributes { created_time: Some(at), ..Attributes::default() },
        };
        if let Some(other) = state.instances.insert(address.clone(), recorded)
            && other.instance_id != *id
        {
            state.deposed.push(Deposed {
                address: address.clone(),
                instance_id: other.instance_id,
                reason: DepartureReason::Displaced,
            });
        }
        state.predecessors.remove(address);
        state.deposed.retain(|deposed| deposed.instance_id != *id);
    }
}

/// What an answer brought beyond what was asked for is nobody's, and is not forgotten.
fn depose_the_rest(state: &mut PriorState, entry: &OpenIntent, matches: &[(Address, InstanceId)]) {
    let Some(first) = entry.intent.members.first() else { return };
    let is_matched = |id: &InstanceId| matches.iter().any(|(_, matched)| matched == id);
    for id in entry.answer.iter().flat_map(|answer| &answer.ids).filter(|id| !is_matched(id)) {
        if state.holder(id).is_none() && !state.deposed.iter().any(|deposed| deposed.instance_id == *id) {
            state.deposed.push(Deposed {
                address: first.address.clone(),
                instance_id: id.clone(),
                reason: DepartureReason::Surplus,
            });
        }
    }
}

fn depart(state: &mut PriorState, address: &Address, id: &InstanceId, reason: DepartureReason, deposed: bool) {
    if state.instances.get(address).is_some_and(|recorded| recorded.instance_id == *id) {
        state.instances.remove(address);
        state.predecessors.insert(address.clone(), Predecessor::Instance(id.clone()));
    }
    if deposed && !state.deposed.iter().any(|d| d.instance_id == *id) {
        state.deposed.push(Deposed { address: address.clone(), instance_id: id.clone(), reason });
    }
}
