//! CreateInstances: what a token stands for, what can be bought, and the purchase.

use super::account::{Account, CreateFault, TokenRecord, done};
use super::call::{Answer, ApiError, Call};
use super::order::Order;
use super::params::wrong;
use super::price::price;
use super::record::{Next, Operation, Record, State};
use super::settings::{BatchNames, CheckOrder, Mismatch, TokenMemory};
use super::term::months_later;
use crate::model::Timestamp;
use serde_json::json;
use std::time::Duration;

impl Account {
    pub(super) fn create_instances(&mut self, call: &Call, fault: CreateFault) -> Answer {
        let order = Order::read(self.settings.site, call)?;
        if order.dry_run {
            self.affordable(&order, fault)?;
            return done();
        }
        self.refuse_token(&order, call.now, fault)?;
        if self.settings.order == CheckOrder::QuotaFirst {
            self.affordable(&order, fault)?;
        }
        if let Some(ids) = self.bought_before(&order, call.now)? {
            return Ok(json!({"InstanceIdSet": ids}));
        }
        self.affordable(&order, fault)?;
        let ids = self.buy(&order, call, fault);
        let remembers = self.settings.token_memory != TokenMemory::None;
        if let Some(token) = order.token.filter(|_| remembers) {
            self.remember(&token, TokenRecord { digest: order.digest, ids: ids.clone(), at: call.now, refused: false });
        }
        Ok(json!({"InstanceIdSet": ids}))
    }

    /// A refusal that sticks to the token: what a service does that keeps the answer to a token, whatever it was.
    fn refuse_token(&mut self, order: &Order, now: Timestamp, fault: CreateFault) -> Result<(), ApiError> {
        let Some(token) = order.token.as_deref() else { return Ok(()) };
        if fault.refuse_token && self.token(token).is_none() {
            let digest = order.digest.clone();
            self.remember(token, TokenRecord { digest, ids: Vec::new(), at: now, refused: true });
        }
        match self.token(token) {
            Some(known) if known.refused => {
                Err(wrong("ResourcesSoldOut.BundleSoldOut", format!("The bundle `{}` is sold out.", order.bundle.id)))
            }
            _ => Ok(()),
        }
    }

    /// What the token of an order has already bought.
    fn bought_before(&self, order: &Order, now: Timestamp) -> Result<Option<Vec<String>>, ApiError> {
        let Some(known) = order.token.as_deref().and_then(|token| self.token(token)) else { return Ok(None) };
        let remembered = match self.settings.token_memory {
            TokenMemory::Forever => true,
            TokenMemory::For(ms) => now.since(known.at) < Duration::from_millis(ms),
            TokenMemory::None => false,
        };
        if !remembered {
            return Ok(None);
        }
        if known.digest == order.digest {
            return Ok(Some(known.ids.clone()));
        }
        match self.settings.mismatch {
            Mismatch::Replay => Ok(Some(known.ids.clone())),
            Mismatch::Buy => Ok(None),
            // The code of VPC; Lighthouse documents none.
            Mismatch::Error => Err(wrong(
                "UnsupportedOperation.IdempotentParameterMismatch",
                "The client token has been used with other parameters.",
            )),
        }
    }

    /// Stock, quota and balance.
    fn affordable(&self, order: &Order, fault: CreateFault) -> Result<(), ApiError> {
        if fault.sold_out || !order.bundle.on_sale {
            let message = format!("The bundle `{}` is sold out.", order.bundle.id);
            return Err(wrong("ResourcesSoldOut.BundleSoldOut", message));
        }
        let left = self.quota_left(order.bundle.kind);
        if order.count > left {
            let message = format!("The quota of {} admits {left} more instances.", order.bundle.kind);
            return Err(wrong("LimitExceeded.InstanceQuotaLimitExceeded", message));
        }
        self.can_pay(price(order.bundle, order.period, order.count).2)
    }

    fn buy(&mut self, order: &Order, call: &Call, fault: CreateFault) -> Vec<String> {
        let count = fault.partial.map_or(order.count, |partial| partial.min(order.count));
        // Named zones: the first has stock, so it is taken. Otherwise each purchase goes to the next.
        let turn = if order.zones_given { 0 } else { self.next_zone(&call.region, order.zones.len()) };
        let zone = order.zones.get(turn).copied().unwrap_or_default();
        let base = order.name.clone().unwrap_or_else(|| {
            let id = self.random_id("");
            format!("{}-{}", order.blueprint.title.replace(' ', "_"), &id[..4])
        });
        let paid = price(order.bundle, order.period, 1).2;
        let settings = &self.settings;
        let (names, share, boot_ms) = (settings.batch_names, settings.launch_failed, settings.boot_ms);
        let visible = call.now.plus(Duration::from_millis(settings.visibility_delay_ms));
        let boot = call.now.plus(Duration::from_millis(boot_ms));
        let expires = months_later(call.now, order.period);
        let mut ids = Vec::new();
        for number in 1..=count {
            let name = match names {
                _ if order.count == 1 => base.clone(),
                BatchNames::Same => base.clone(),
                BatchNames::Suffix => format!("{base}{number}"),
                BatchNames::Dash => format!("{base}-{number}"),
            };
            let fails = self.chance(share) || fault.launch_failed;
            let id = loop {
                let id = self.random_id("lhins-");
                if self.record(&id).is_none() {
                    break id;
                }
            };
            let record = Record {
                id: id.clone(),
                serial: self.next_serial(),
                region: call.region.clone(),
                zone: zone.to_owned(),
                bundle: order.bundle.id.to_owned(),
                blueprint: order.blueprint.id.to_owned(),
                name,
                renew_flag: order.renew_flag.clone(),
                tags: order.tags.clone(),
                keys: order.login.keys.clone(),
                uuid: self.uuid(),
                disk: self.random_id("lhdisk-"),
                invocation: order.command.then(|| self.random_id("inv-")),
                paid,
                created: call.now,
                expires,
                isolated: None,
                visible,
                state: State::Pending,
                due: Some((boot, if fails { Next::Fail } else { Next::Boot })),
                operation: Operation::begun(&call.action, &call.request_id, call.now),
                key_user: None,
                password: order.login.password.clone(),
                resets: 0,
                dunned: false,
                restricted: false,
                violation: None,
                return_fail: 0,
                snapshots: Vec::new(),
                denied: Vec::new(),
                firewall_template: order.firewall_template.clone(),
            };
            self.pay(paid);
            self.put(record);
            ids.push(id);
        }
        self.advance(call.now);
        ids
    }

    fn chance(&mut self, share: f64) -> bool {
        // The upper 53 bits make an even number from 0 to below 1.
        ((self.random() >> 11) as f64 / (1_u64 << 53) as f64) < share
    }

    fn uuid(&mut self) -> String {
        let text = format!("{:016x}{:016x}", self.random(), self.random());
        format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }
}
