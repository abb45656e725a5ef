//! More paid time: its price, and the renewal that also brings isolated instances back.

use super::account::{Account, done};
use super::call::{Answer, ApiError, Call};
use super::catalogue::{self, Bundle};
use super::operate::{creating, idle};
use super::order::{RENEWAL_MAX, charge};
use super::params::{Params, wrong};
use super::price::{discount, instance_price, money, price};
use super::record::{Effect, Record, State};
use super::settings::Afterwards;
use super::term::months_later;
use crate::model::Timestamp;
use serde_json::{Value, json};

/// Most instances in one RenewInstances.
const RENEW_BATCH_MAX: usize = 100;

/// Most instances in one InquirePriceRenewInstances.
const INQUIRE_BATCH_MAX: usize = 50;

/// The end of the paid time after a renewal. What was returned has no time left, so it begins anew.
fn renewed_until(record: &Record, period: u32, now: Timestamp) -> Timestamp {
    let returned = record.state == State::Shutdown && record.isolated.is_some_and(|since| since < record.expires);
    months_later(if returned { now } else { record.expires }, period)
}

impl Account {
    fn sold_bundle(&self, record: &Record) -> Result<&'static Bundle, ApiError> {
        let found = catalogue::find_bundle(self.settings.site, &record.bundle);
        found.ok_or_else(|| wrong("FailedOperation.RenewResourcesFailed", "The bundle is not sold any more."))
    }

    pub(super) fn renew(&mut self, call: &Call) -> Answer {
        let known = ["InstanceIds", "InstanceChargePrepaid", "RenewDataDisk", "AutoVoucher"];
        let params = Params::of_body(&call.body, &known)?;
        let ids = params.need_instance_ids(RENEW_BATCH_MAX)?;
        let (period, flag) = charge(&params, RENEWAL_MAX)?;
        // The default is true (model).
        let with_disks = params.boolean("RenewDataDisk")?.unwrap_or(true);
        params.boolean("AutoVoucher")?;
        let records = self.checked(call, &ids, |record| {
            if record.state == State::Pending {
                return Err(creating(record));
            }
            idle(record)?;
            if matches!(record.state, State::Running | State::Stopped | State::Shutdown) {
                return Ok(());
            }
            // This action has no code for the state.
            let message = format!("The instance `{}` in `{}` cannot be renewed.", record.id, record.state.as_str());
            Err(wrong("FailedOperation.RenewResourcesFailed", message))
        })?;
        let cost = |record: &Record| self.sold_bundle(record).map(|bundle| price(bundle, period, 1).2);
        let costs = records.iter().map(cost).collect::<Result<Vec<i64>, _>>()?;
        self.can_pay(costs.iter().sum())?;
        for (record, cost) in records.into_iter().zip(costs) {
            let then = match (record.state, self.settings.after_recovery) {
                (State::Shutdown, Afterwards::Running) => State::Running,
                (State::Shutdown, Afterwards::Stopped) => State::Stopped,
                (state, _) => state,
            };
            if with_disks {
                self.renew_disks(&record.id, period);
            }
            let during = record.state;
            let effect = Effect::Renew(renewed_until(&record, period, call.now), flag.clone());
            self.begin(call, record, during, then, (effect, cost));
        }
        self.advance(call.now);
        done()
    }

    pub(super) fn inquire_renewal(&self, call: &Call) -> Answer {
        let known = ["InstanceIds", "InstanceChargePrepaid", "RenewDataDisk", "AlignInstanceExpiredTime"];
        let params = Params::of_body(&call.body, &known)?;
        let ids = params.need_instance_ids(INQUIRE_BATCH_MAX)?;
        let (period, _) = charge(&params, RENEWAL_MAX)?;
        params.boolean("RenewDataDisk")?;
        params.boolean("AlignInstanceExpiredTime")?;
        let records = self.checked(call, &ids, |_| Ok(()))?;
        let one = |record: &Record| {
            let bundle = self.sold_bundle(record)?;
            Ok((record.id.clone(), bundle, price(bundle, period, 1)))
        };
        let prices = records.iter().map(one).collect::<Result<Vec<_>, ApiError>>()?;
        let details: Vec<Value> = prices
            .iter()
            .map(|(id, bundle, cost)| {
                json!({
                    "InstanceId": id,
                    "InstancePrice": instance_price(bundle, *cost),
                    "DiscountDetail": [discount(bundle, period)],
                })
            })
            .collect();
        let (original, pay) =
            prices.iter().fold((0, 0), |(original, pay), (_, _, cost)| (original + cost.0, pay + cost.2));
        Ok(json!({
            "Price": {"InstancePrice": details.first().map(|detail| detail["InstancePrice"].clone())},
            "DataDiskPriceSet": [],
            "InstancePriceDetailSet": details,
            "TotalPrice": {"OriginalPrice": money(original), "DiscountPrice": money(pay)},
        }))
    }
}
