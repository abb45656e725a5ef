//! Another bundle for an instance: what it can become, what that costs, and the change.

use super::account::{Account, done};
use super::call::{Answer, ApiError, Call};
use super::catalog_actions::{BUNDLE_FILTERS, bundle_json, bundle_matches};
use super::catalogue::{self, BUNDLES, Bundle};
use super::operate::{creating, invalid_state};
use super::order::bundle;
use super::params::{Params, wrong};
use super::price::{instance_price, upgrade_price};
use super::record::{Effect, Record, State};
use serde_json::{Value, json};

/// Most instances in one ModifyInstancesBundle, by its parameter; its text says 30.
const BUNDLE_BATCH_MAX: usize = 15;

/// Why an instance of `current` cannot become one of `target`, if it cannot.
fn unfit(record: &Record, current: &Bundle, target: &Bundle) -> Option<&'static str> {
    let smaller = target.cpu < current.cpu
        || target.memory < current.memory
        || target.disk < current.disk
        || target.bandwidth < current.bandwidth
        || target.traffic < current.traffic;
    if smaller {
        return Some("The bundle is smaller than the current one.");
    }
    let fits = if record.is_windows() { target.windows } else { target.linux };
    (!fits).then_some("The bundle does not support the system of the instance.")
}

/// As an instance's target: AVAILABLE, SOLD_OUT or UNAVAILABLE, and why.
fn judged(record: &Record, current: &Bundle, target: &Bundle) -> (&'static str, &'static str) {
    match unfit(record, current, target) {
        Some(why) => ("UNAVAILABLE", why),
        None if !target.on_sale => ("SOLD_OUT", "The bundle is sold out."),
        None => ("AVAILABLE", ""),
    }
}

impl Account {
    fn bundle_of(&self, record: &Record) -> Result<&'static Bundle, ApiError> {
        let found = catalogue::find_bundle(self.settings.site, &record.bundle);
        found.ok_or_else(|| wrong("OperationDenied.BundleNotSupportModify", "The bundle is not sold any more."))
    }

    pub(super) fn describe_modify_bundles(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceId", "Filters", "Offset", "Limit"])?;
        let record = self.one(call, params.need_instance_id()?)?;
        let filters = params.filters(5, |name| BUNDLE_FILTERS.contains(&name))?;
        let page = params.page()?;
        if !matches!(record.state, State::Running | State::Stopped) {
            return Err(invalid_state(record));
        }
        if call.now >= record.expires {
            let message = format!("The instance `{}` has expired.", record.id);
            return Err(wrong("UnsupportedOperation.InstanceExpired", message));
        }
        let current = self.bundle_of(record)?;
        let others = BUNDLES.iter().filter(|other| other.site == current.site && other.id != current.id);
        let found: Vec<_> = others.filter(|other| filters.iter().all(|filter| bundle_matches(other, filter))).collect();
        let one = |target: &Bundle| {
            let (state, why) = judged(record, current, target);
            let difference = upgrade_price(record, target, call.now);
            json!({
                "ModifyPrice": {"InstancePrice": instance_price(target, (difference, 100, difference))},
                "ModifyBundleState": state,
                "Bundle": bundle_json(target),
                "NotSupportModifyMessage": why,
            })
        };
        let total = found.len();
        let set: Vec<Value> = page.of(found).into_iter().map(one).collect();
        Ok(json!({"TotalCount": total, "ModifyBundleSet": set}))
    }

    pub(super) fn modify_bundle(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "BundleId", "AutoVoucher"])?;
        let ids = params.need_instance_ids(BUNDLE_BATCH_MAX)?;
        let target = bundle(self.settings.site, &params)?;
        params.boolean("AutoVoucher")?;
        let records = self.checked(call, &ids, |record| self.may_become(record, target))?;
        let failed = |message: String| Err(wrong("FailedOperation.ModifyInstancesBundleFailed", message));
        if !target.on_sale {
            return failed(format!("The bundle `{}` is sold out.", target.id));
        }
        let kind = |record: &Record| self.bundle_of(record).map_or("", |current| current.kind);
        let newcomers = records.iter().filter(|record| kind(record) != target.kind).count();
        if newcomers > usize::try_from(self.quota_left(target.kind)).unwrap_or(usize::MAX) {
            return failed(format!("The quota of {} is used up.", target.kind));
        }
        let costs: Vec<i64> = records.iter().map(|record| upgrade_price(record, target, call.now)).collect();
        self.can_pay(costs.iter().sum())?;
        for (record, cost) in records.into_iter().zip(costs) {
            self.begin_shut_down(call, record, (Effect::Bundle(target.id.to_owned()), cost));
        }
        self.advance(call.now);
        done()
    }

    fn may_become(&self, record: &Record, target: &Bundle) -> Result<(), ApiError> {
        if record.state == State::Pending {
            return Err(creating(record));
        }
        // This action has a code of its own for it.
        if record.operation.runs() {
            let message = format!("The operation `{}` on `{}` is not finished.", record.operation.action, record.id);
            return Err(wrong("OperationDenied.InstanceOperationInProgress", message));
        }
        if !matches!(record.state, State::Running | State::Stopped) {
            return Err(invalid_state(record));
        }
        if record.bundle == target.id {
            let message = format!("The instance `{}` has the bundle `{}` already.", record.id, target.id);
            return Err(wrong("UnsupportedOperation.SameWithOldConfig", message));
        }
        match unfit(record, self.bundle_of(record)?, target) {
            Some(why) => Err(wrong("InvalidParameterValue.NotSupportModifyInstanceBundleType", why)),
            None => Ok(()),
        }
    }
}
