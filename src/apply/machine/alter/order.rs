//! Orders: upgrades, reinstalls and renewals, which have no token. Each is written down before it goes out, with what tells
//! afterwards whether it happened; without an answer it is looked for, and never simply repeated.

use super::super::super::failure_policy::History;
use super::super::Machine;
use super::{Alteration, Phase, Step};
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::event::{Event, ItemStatus};
use crate::model::digest::sha256_hex;
use crate::model::{Power, RequestId, Timestamp};
use crate::state::{AppliedSpec, OpenOrder, Order, OrderKind, OrderTarget, Record};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// So long after it was written down an order may leave; later the driver does not send it any more.
pub(in super::super) const LEAVES_WITHIN: Duration = Duration::from_secs(60);

/// So long after it was written down an order may still arrive and be carried out.
const ARRIVES_WITHIN: Duration = Duration::from_secs(SIGNATURE_VALID_SECS + LEAVES_WITHIN.as_secs());

impl Alteration {
    /// Whether its present step is an order that went out.
    pub(super) fn orders(&self) -> bool {
        self.order.is_some() && self.steps.front().is_some_and(|step| step.order_kind().is_some())
    }
}

impl Machine {
    /// Writes an order down. The effects that follow wait until that is durable.
    pub(super) fn write_order(&mut self, now: Timestamp, kind: OrderKind, step: &Step, members: &[usize]) {
        let targets: Vec<OrderTarget> = members
            .iter()
            .map(|index| {
                let alteration = &self.alterations[*index];
                OrderTarget {
                    address: alteration.address.clone(),
                    instance_id: alteration.id.clone(),
                    before: alteration.live.as_ref().map(|live| step.before(live)).unwrap_or_default(),
                    runs: alteration.steps.get(1) == Some(&Step::Power(Power::Running)),
                    spec: step.spec_keys(&alteration.wanted, &AppliedSpec::unknown()),
                }
            })
            .collect();
        let to = step.order_to();
        let names: Vec<&str> = targets.iter().map(|target| target.instance_id.as_str()).collect();
        let id = sha256_hex(format!("{kind:?} {to} {now} {}", names.join(" ")).as_bytes())[..16].to_owned();
        for (index, target) in members.iter().zip(&targets) {
            self.alterations[*index].order = Some(id.clone());
            self.alterations[*index].before.clone_from(&target.before);
        }
        self.record(Record::Order(Order { id, kind, to, at: now, targets }));
    }

    pub(super) fn accept_order(&mut self, members: &[usize], request_id: &RequestId) {
        let order = members.first().map(|index| &self.alterations[*index]).filter(|first| first.orders());
        let order = order.and_then(|first| first.order.clone());
        if let Some(order) = order {
            self.record(Record::OrderAccepted { order, request_id: request_id.0.clone() });
        }
    }

    /// Whether an instance's order happened is known.
    pub(super) fn settle_order(&mut self, index: usize, happened: bool, why: &str) {
        let Some(order) = self.alterations[index].order.take() else { return };
        let alteration = &self.alterations[index];
        let (instance_id, settles) = (alteration.id.clone(), alteration.settles);
        if settles {
            let kind = self.open.orders.get(&order).map_or("order", |open| open.order.kind.as_str());
            let text = format!(
                "{}: the {kind} that an earlier run ordered has {}happened.",
                alteration.address,
                if happened { "" } else { "not " }
            );
            self.effects.push(crate::apply::effect::Effect::Emit(Event::Note { text }));
        }
        self.record(Record::OrderSettled { order, instance_id, happened, why: why.to_owned() });
    }

    /// Nothing shows that an order without an answer happened. It did not if it would show by now: a request arrives
    /// within the life of its signature, and what it does shows within the grace.
    pub(super) fn look_for_order(&mut self, now: Timestamp, index: usize, since: Timestamp) {
        let until = since.plus(ARRIVES_WITHIN).plus(self.setup.visibility_grace);
        #[cfg(test)]
        let until = match crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::RepeatOrders) {
            true => since,
            false => until,
        };
        if now < until {
            if !std::mem::replace(&mut self.alterations[index].told, true) {
                let alteration = &self.alterations[index];
                let what = alteration.steps.front().and_then(Step::order_kind).map_or("order", OrderKind::as_str);
                let text = format!(
                    "{}: its {what} has no answer; looking until {until}, when it would certainly show.",
                    alteration.address
                );
                self.effects.push(crate::apply::effect::Effect::Emit(Event::Note { text }));
            }
            return;
        }
        self.settle_order(index, false, "not seen");
        if self.alterations[index].settles {
            self.set_alteration_phase(index, Phase::Over);
        } else {
            self.retry_after_check(now, index);
        }
    }

    /// Orders that an earlier run left open: found out, never repeated.
    pub(in super::super) fn take_open_orders(&mut self) {
        let open: Vec<(String, OpenOrder)> =
            self.open.orders.iter().map(|(id, open)| (id.clone(), open.clone())).collect();
        let timeout = (ARRIVES_WITHIN + self.setup.visibility_grace) * 2;
        for (id, OpenOrder { order, accepted }) in open {
            let step = match order.kind {
                OrderKind::Upgrade => Step::Upgrade { to: order.to.clone(), voucher: false },
                OrderKind::Reinstall => Step::Reinstall { to: order.to.clone(), login: false },
                OrderKind::Renew => Step::Renew { months: order.to.parse().unwrap_or(1), voucher: false },
            };
            for target in order.targets {
                self.push_alteration(Alteration {
                    address: target.address,
                    id: target.instance_id,
                    steps: [step.clone()]
                        .into_iter()
                        .chain(target.runs.then_some(Step::Power(Power::Running)))
                        .collect::<VecDeque<Step>>(),
                    spec: None,
                    wanted: Value::Null,
                    phase: match &accepted {
                        Some(request_id) => Phase::Awaiting(request_id.clone()),
                        None => Phase::Unsure { since: order.at, refused: false },
                    },
                    order: Some(id.clone()),
                    before: target.before,
                    history: History::default(),
                    alone: false,
                    timeout,
                    began: None,
                    live: None,
                    done: ItemStatus::Updated,
                    changed: true,
                    settles: true,
                    last_error: None,
                    told: false,
                });
            }
        }
    }
}
