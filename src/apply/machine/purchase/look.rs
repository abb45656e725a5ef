//! The look before every send: what the stack owns already is taken, what is not listed may be asked for, and what is
//! unclear stops the purchase. Rules 2, 4 and 7.

use super::super::super::effect::{Effect, PurchaseId, TimerId};
use super::super::super::failure_policy::{Decision, Operation};
use super::super::{Machine, error_detail};
use super::{AND_THEN, ARRIVES_WITHIN, Phase, join};
use crate::cloud::CloudError;
use crate::event::{Event, ItemStatus};
use crate::model::address::compact;
use crate::model::digest::canonical;
use crate::model::{Address, InstanceId, Life, ObservedInstance, Ownership, Predecessor, Timestamp};
use crate::observe::ownership::{self, Finding};
use crate::state::{OpenIntent, Via};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Purchases that one look serves. They go out within two minutes at 5 a second, well within a signature's life.
const LOOK_SERVES_MAX: usize = 600;

/// Time between two looks at a batch that is listed in part.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What a look saw and nobody has claimed.
struct Seen<'a> {
    /// By id.
    unclaimed: &'a [ObservedInstance],
    /// Those among them that no purchase of this run accounts for.
    strangers: Vec<&'a ObservedInstance>,
}

impl Seen<'_> {
    fn get(&self, id: &InstanceId) -> Option<&ObservedInstance> {
        let place = self.unclaimed.binary_search_by(|instance| instance.id.cmp(id)).ok()?;
        self.unclaimed.get(place)
    }
}

impl Machine {
    /// Rule 2, first half: signs what is ready, then looks.
    pub(in super::super) fn look(&mut self, now: Timestamp) {
        if self.look_in_flight || self.stopping || !self.started {
            return;
        }
        let mut ready = Vec::new();
        let mut next: Option<Timestamp> = None;
        for id in self.queues.ready.iter().copied() {
            match self.purchases[id].phase {
                Phase::Ready(from) if from <= now && ready.len() < LOOK_SERVES_MAX => ready.push(id),
                Phase::Ready(from) if from > now => next = Some(next.map_or(from, |next| next.min(from))),
                _ => {}
            }
        }
        if ready.is_empty() {
            if let Some(at) = next {
                self.effects.push(Effect::Timer { id: TimerId::Look, at });
            }
            return;
        }
        for id in ready {
            self.set_phase(id, Phase::Looking(now));
            if self.purchases[id].wanted && self.purchases[id].can_repeat() {
                let body = canonical(&self.wire_body(id));
                self.effects.push(Effect::Sign { purchase: id, body });
            }
        }
        self.look_in_flight = true;
        self.effects.push(Effect::Look);
    }

    pub(in super::super) fn signed(&mut self, now: Timestamp, id: PurchaseId, result: Result<Timestamp, CloudError>) {
        if !matches!(self.purchases[id].phase, Phase::Looking(_)) {
            return;
        }
        match result {
            Ok(at) => self.set_phase(id, Phase::Looking(at)),
            Err(error) => match self.decide_failed(now, id, Operation::Sign, &error) {
                Decision::EndRun => {
                    self.end_purchase(id, ItemStatus::Failed, &error_detail(&error), None);
                    self.stop(now, &error_detail(&error));
                }
                decision => self.follow_decision(now, id, &error, decision),
            },
        }
    }

    /// Rule 2, second half: takes what is found, sends what is not.
    pub(in super::super) fn looked(&mut self, now: Timestamp, result: Result<Vec<ObservedInstance>, CloudError>) {
        self.look_in_flight = false;
        let looking: Vec<PurchaseId> = self.queues.looking.iter().copied().collect();
        if self.stopping {
            return;
        }
        match result {
            Err(error) => {
                for id in looking {
                    let decision = self.decide_failed(now, id, Operation::Lookup, &error);
                    self.follow_decision(now, id, &error, decision);
                }
            }
            Ok(listed) => {
                let unclaimed = self.unclaimed(listed);
                let seen = Seen { strangers: self.strangers(&unclaimed), unclaimed: &unclaimed };
                match self.setup.ownership {
                    Ownership::Tags => self.take_by_tag(now, looking, &seen),
                    Ownership::Name => self.take_by_name(now, looking, &seen),
                }
            }
        }
        self.want_turn_to_buy();
        self.look(now);
    }

    fn unclaimed(&self, listed: Vec<ObservedInstance>) -> Vec<ObservedInstance> {
        let recorded = self.state.instances.values().map(|recorded| &recorded.instance_id);
        let deposed = self.state.deposed.iter().map(|deposed| &deposed.instance_id);
        let answered =
            self.open.values().filter_map(|entry| entry.answer.as_ref()).flat_map(|answer| answer.ids.iter());
        let claimed: BTreeSet<&InstanceId> = recorded.chain(deposed).chain(answered).collect();
        let recorded = self.state.instances.values().map(|recorded| &recorded.predecessor);
        let before: BTreeSet<&InstanceId> =
            self.state.predecessors.values().chain(recorded).filter_map(Predecessor::instance).collect();
        let mut unclaimed: Vec<ObservedInstance> = listed
            .into_iter()
            .filter(|instance| !claimed.contains(&instance.id) && !before.contains(&instance.id))
            .collect();
        unclaimed.sort_by(|a, b| a.id.cmp(&b.id));
        unclaimed
    }

    /// Those that no purchase of this run accounts for, whichever of their addresses they may stand for: worked out once for all
    /// purchases that one look serves.
    fn strangers<'a>(&self, unclaimed: &'a [ObservedInstance]) -> Vec<&'a ObservedInstance> {
        if unclaimed.is_empty() {
            return Vec::new();
        }
        match self.setup.ownership {
            Ownership::Tags => {
                let ours: BTreeSet<&str> = self.purchases.iter().map(|one| one.intent.token.short()).collect();
                unclaimed
                    .iter()
                    .filter(|instance| !matches!(instance.attributes.life(), Life::Isolated | Life::Ending))
                    .filter(|instance| !ownership::batch_of(instance).is_some_and(|batch| ours.contains(batch)))
                    .collect()
            }
            Ownership::Name => {
                let ours: Vec<_> = self.purchases.iter().map(|one| one.sought(self, one.intent.since)).collect();
                unclaimed.iter().filter(|instance| !ours.iter().any(|sought| sought.may_be(instance))).collect()
            }
        }
    }

    fn take_by_tag(&mut self, now: Timestamp, looking: Vec<PurchaseId>, seen: &Seen<'_>) {
        let by_batch = index_by_batch(seen.unclaimed);
        for id in looking {
            let sought = self.purchases[id].sought(self, None);
            let candidates = by_batch.get(sought.token.short()).map(Vec::as_slice).unwrap_or_default();
            let finding = ownership::find(&sought, candidates.iter().copied());
            self.decide(now, id, finding, seen);
        }
    }

    /// Without tags purchases may be alike. They are decided together: what one of them took is no candidate of another, and
    /// while one is on the wire nobody knows which of them an instance is of.
    fn take_by_name(&mut self, now: Timestamp, looking: Vec<PurchaseId>, seen: &Seen<'_>) {
        let mut taken: BTreeSet<InstanceId> = BTreeSet::new();
        let sought: Vec<_> = looking.iter().map(|id| self.purchases[*id].sought(self, None)).collect();
        for group in ownership::alike(&sought) {
            let alike: Vec<PurchaseId> = group.into_iter().map(|number| looking[number]).collect();
            let sought: Vec<_> = alike
                .iter()
                .map(|id| {
                    let purchase = &self.purchases[*id];
                    purchase.sought(self, purchase.intent.since)
                })
                .collect();
            let free = seen.unclaimed.iter().filter(|instance| !taken.contains(&instance.id));
            let findings = ownership::find_alike(&sought, free);
            let found = findings.iter().any(|finding| *finding != Finding::Nothing);
            if found && self.wait_for_those_alike(now, &alike) {
                continue;
            }
            for (id, finding) in alike.into_iter().zip(findings) {
                if let Finding::Complete(matches) = &finding {
                    taken.extend(matches.iter().map(|(_, id)| id.clone()));
                }
                self.decide(now, id, finding, seen);
            }
        }
    }

    /// Whether another purchase of the same shape may have bought what is seen here: one on the wire, or one without an answer
    /// that is looked for at another time. Those are looked for together next.
    fn wait_for_those_alike(&mut self, now: Timestamp, alike: &[PurchaseId]) -> bool {
        let first = self.purchases[alike[0]].sought(self, None);
        let Some(shape) = first.shape() else { return false };
        let among: BTreeSet<PurchaseId> = alike.iter().copied().collect();
        let others: Vec<PurchaseId> = (0..self.purchases.len())
            .filter(|id| !among.contains(id))
            .filter(|id| match self.purchases[*id].phase {
                Phase::InFlight { .. } => true,
                Phase::Ready(_) | Phase::Queued { .. } => self.is_unsure(*id),
                _ => false,
            })
            .filter(|id| self.purchases[*id].sought(self, None).shape() == Some(shape))
            .collect();
        if others.is_empty() {
            return false;
        }
        let again = Phase::Ready(now.plus(LOOK_AGAIN));
        for id in alike.iter().chain(&others) {
            if matches!(self.purchases[*id].phase, Phase::Ready(_) | Phase::Looking(_)) {
                self.set_phase(*id, again.clone());
            }
        }
        true
    }

    fn decide(&mut self, now: Timestamp, id: PurchaseId, finding: Finding, seen: &Seen<'_>) {
        #[cfg(test)]
        let finding = match finding {
            Finding::Incomplete(_) if crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::PartIsNothing) => {
                Finding::Nothing
            }
            other => other,
        };
        match finding {
            Finding::Complete(matches) => {
                let dead: Vec<(Address, InstanceId, Life, Option<Timestamp>)> = matches
                    .iter()
                    .filter_map(|(address, instance)| {
                        let attributes = &seen.get(instance)?.attributes;
                        let live = attributes.life();
                        matches!(live, Life::Failed | Life::Isolated | Life::Ending)
                            .then(|| (address.clone(), instance.clone(), live, attributes.created_time))
                    })
                    .collect();
                self.assign(now, id, matches, Via::Look);
                for (address, instance, life, created) in dead {
                    self.found_dead(&address, &instance, life, created);
                }
            }
            Finding::Nothing => match self.stranger(id, &seen.strangers) {
                Some(what) if !self.setup.buy_anyway => self.end_purchase(id, ItemStatus::Unclear, &what, None),
                _ => self.not_found(now, id),
            },
            Finding::Incomplete(ids) => {
                let since = *self.purchases[id].incomplete_since.get_or_insert(now);
                if now.since(since) < self.setup.visibility_grace {
                    let again = now.plus(LOOK_AGAIN.min(self.setup.visibility_grace / 4));
                    self.set_phase(id, Phase::Ready(again));
                } else if self.setup.buy_anyway {
                    self.take_part(now, id, &ids, seen.unclaimed);
                } else {
                    let what = format!(
                        "{} of {} instances of this purchase are listed ({}), and the state does not say for whom; --buy-anyway {AND_THEN}",
                        ids.len(),
                        self.purchases[id].intent.members.len(),
                        join(&ids)
                    );
                    self.end_purchase(id, ItemStatus::Unclear, &what, None);
                }
            }
            Finding::TooMany(ids) => {
                let what = format!(
                    "{} instances may be the {} of this purchase: {}",
                    ids.len(),
                    self.purchases[id].intent.members.len(),
                    join(&ids)
                );
                self.end_purchase(id, ItemStatus::Unclear, &what, None);
            }
        }
    }

    /// By consent: what is listed is all that came, and the members without an instance are bought next.
    fn take_part(&mut self, now: Timestamp, id: PurchaseId, ids: &[InstanceId], unclaimed: &[ObservedInstance]) {
        let listed: Vec<(&InstanceId, &str)> = unclaimed
            .iter()
            .filter(|instance| ids.contains(&instance.id) && self.holders.get(&self.state, &instance.id).is_none())
            .map(|instance| (&instance.id, instance.attributes.instance_name.as_str()))
            .collect();
        let members: Vec<(&Address, &str)> =
            self.purchases[id].intent.members.iter().map(|m| (&m.address, m.name.as_str())).collect();
        let matches = ownership::match_members(&members, &listed);
        self.assign(now, id, matches, Via::Look);
    }

    /// Rule 7: an instance of the stack that no purchase of this run accounts for and whose tag names a member of this one;
    /// without tags, one that bears the name of a member.
    fn stranger(&self, id: PurchaseId, strangers: &[&ObservedInstance]) -> Option<String> {
        if strangers.is_empty() {
            return None;
        }
        let may_be_its: Box<dyn Fn(&ObservedInstance) -> bool> = match self.setup.ownership {
            Ownership::Tags => {
                let members: BTreeSet<&Address> = self.purchases[id].addresses().collect();
                // A tag names the address that its instance was bought for; it may have moved since.
                let is_member = move |address: &Address| {
                    members.contains(address)
                        || self.setup.moves.target(address).is_some_and(|(moved, _)| members.contains(&moved))
                };
                Box::new(move |instance| {
                    ownership::members_of(instance).is_none_or(|named| named.iter().any(&is_member))
                })
            }
            Ownership::Name => {
                let sought = self.purchases[id].sought(self, self.purchases[id].intent.since);
                Box::new(move |instance| sought.bears_its_name(instance))
            }
        };
        let ids: Vec<InstanceId> =
            strangers.iter().filter(|instance| may_be_its(instance)).map(|instance| instance.id.clone()).collect();
        if ids.is_empty() {
            return None;
        }
        Some(format!(
            "{} of stack `{}` that the state does not know may stand for {}",
            join(&ids),
            self.setup.stack,
            compact(self.purchases[id].addresses())
        ))
    }

    /// Rule 4 and the first half of rule 2: whether what is not listed may be asked for.
    fn not_found(&mut self, now: Timestamp, id: PurchaseId) {
        let entry = self.entry(id);
        let first = entry.and_then(OpenIntent::first_unsure);
        let last = entry.and_then(OpenIntent::last_unsure);
        let Phase::Looking(signed_at) = self.purchases[id].phase else { return };
        let grace = self.setup.visibility_grace + ARRIVES_WITHIN;
        let old_enough = last.is_none_or(|last| now.since(last) >= grace);
        let fresh = first.is_none_or(|first| now.since(first) <= self.setup.token_ttl);
        if !self.purchases[id].wanted {
            // Asked for again it might be bought, to be returned at once, and refunds are few: it is only looked for.
            if old_enough {
                self.close(id, "not found");
                self.end_quietly(id);
            } else {
                self.wait_for_grace(now, id, last, grace);
            }
        } else if !self.purchases[id].can_repeat() {
            if old_enough {
                self.close(id, "not found, and its secret has changed");
                self.replan = true;
                self.end_quietly(id);
            } else {
                self.wait_for_grace(now, id, last, grace);
            }
        } else if fresh || old_enough {
            self.set_phase(id, Phase::Queued { signed_at, written: false });
        } else {
            self.wait_for_grace(now, id, last, grace);
        }
    }

    fn wait_for_grace(&mut self, now: Timestamp, id: PurchaseId, last: Option<Timestamp>, grace: Duration) {
        let until = last.unwrap_or(now).plus(grace);
        let text = format!(
            "{}: an earlier attempt has no answer; looking again until {until}, when it would certainly be listed.",
            self.label(id)
        );
        if self.purchases[id].lookups == 0 {
            self.effects.push(Effect::Emit(Event::Note { text }));
        }
        self.purchases[id].lookups += 1;
        let soon = now.plus(LOOK_AGAIN * self.purchases[id].lookups.min(6));
        let next = until.min(soon).max(now.plus(Duration::from_millis(100)));
        self.set_phase(id, Phase::Ready(next));
        let reason = match &self.purchases[id].last_error {
            Some((error, _)) => error.clone(),
            None => "an earlier attempt has no response".to_owned(),
        };
        let attempts = self.entry(id).map_or(0, |entry| entry.attempts.len());
        self.explain_retry(id, u32::try_from(attempts).unwrap_or(u32::MAX), &reason, next);
    }
}

fn index_by_batch(instances: &[ObservedInstance]) -> BTreeMap<&str, Vec<&ObservedInstance>> {
    let mut index: BTreeMap<&str, Vec<&ObservedInstance>> = BTreeMap::new();
    for instance in instances {
        if let Some(batch) = ownership::batch_of(instance) {
            index.entry(batch).or_default().push(instance);
        }
    }
    index
}
