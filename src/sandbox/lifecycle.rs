//! Returning and destroying instances, and who may be returned.

use super::account::{Account, done, not_found};
use super::call::{Answer, Call};
use super::operate::{idle, invalid_state};
use super::params::{Params, wrong};
use super::record::{Effect, Next, Operation, Record, State};
use crate::cloud::limits::{DESCRIBE_BATCH_MAX, ISOLATE_BATCH_MAX, TERMINATE_BATCH_MAX};
use crate::model::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const MALFORMED: &str = "InvalidParameterValue.InstanceIdMalformed";

/// So long a return brings back everything (the refund rules of the product).
const FULL_REFUND: Duration = Duration::from_secs(5 * 86_400);

/// What returning an instance brings back.
fn refund(record: &Record, now: Timestamp) -> i64 {
    let used = now.since(record.created);
    let total = record.expires.since(record.created);
    if used <= FULL_REFUND || total.is_zero() {
        return record.paid;
    }
    let left = i128::from(record.paid) * total.saturating_sub(used).as_millis() as i128 / total.as_millis() as i128;
    i64::try_from(left).unwrap_or(0)
}

/// ReturnFailCode: there have been too many returns.
const OVER_THE_NUMBER: u8 = 8;

/// What a ReturnFailCode means.
fn return_message(code: u8) -> &'static str {
    match code {
        0 => "",
        1 => "The resource has been returned.",
        2 => "The resource has expired.",
        3 => "The resource was bought more than five days ago.",
        4 => "The resource is not prepaid.",
        OVER_THE_NUMBER => "The number of returns is used up.",
        9 => "The resource comes from a promotional order.",
        10 => "The resource cannot be returned by oneself.",
        11 => "The resource comes from a promotion channel.",
        _ => "The rules of the product do not allow it.",
    }
}

impl Account {
    /// Why an instance cannot be returned: ReturnFailCode, 0 if it can.
    fn return_fail(&self, record: &Record, now: Timestamp) -> u8 {
        match record.state {
            State::Shutdown | State::Terminating | State::Deleting => 1,
            State::Pending | State::LaunchFailed => 12,
            _ if record.return_fail > 0 => record.return_fail,
            _ if now >= record.expires => 2,
            _ if self.returns_left() == Some(0) => OVER_THE_NUMBER,
            _ => 0,
        }
    }

    pub(super) fn describe_returnable(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "Offset", "Limit"])?;
        let ids = params.ids("InstanceIds", "lhins-", MALFORMED, DESCRIBE_BATCH_MAX)?;
        let page = params.page()?;
        let found: Vec<&Record> = if ids.is_empty() {
            self.region_records(&call.region).filter(|record| record.visible <= call.now).collect()
        } else {
            let found = self.listed(call, &ids);
            if let Some(id) = ids.iter().find(|id| !found.iter().any(|record| record.id == **id)) {
                return Err(not_found(id));
            }
            found
        };
        let total = found.len();
        let one = |record: &Record| {
            let code = self.return_fail(record, call.now);
            json!({
                "InstanceId": record.id,
                "IsReturnable": code == 0,
                "ReturnFailCode": code,
                "ReturnFailMessage": return_message(code),
            })
        };
        let set: Vec<Value> = page.of(found).into_iter().map(one).collect();
        Ok(json!({"TotalCount": total, "InstanceReturnableSet": set}))
    }

    pub(super) fn isolate(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "IsolateDataDisk"])?;
        // The default is true (model).
        let with_disks = params.boolean("IsolateDataDisk")?.unwrap_or(true);
        if params.texts("InstanceIds")?.len() > ISOLATE_BATCH_MAX {
            let message = format!("At most {ISOLATE_BATCH_MAX} resources can be returned at once.");
            return Err(wrong("LimitExceeded.IsolateResourcesLimitExceeded", message));
        }
        let ids = params.need_instance_ids(ISOLATE_BATCH_MAX)?;
        let asked = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        let over = self.returns_left().is_some_and(|left| asked > left);
        let records = self.checked(call, &ids, |record| match record.state {
            State::Running | State::Stopped => {
                idle(record)?;
                match self.return_fail(record, call.now) {
                    0 if !over => Ok(()),
                    code => {
                        let why = return_message(if over { OVER_THE_NUMBER } else { code });
                        let message = format!("The instance `{}` cannot be returned: {why}", record.id);
                        Err(wrong("UnsupportedOperation.ResourceNotReturnable", message))
                    }
                }
            }
            _ => Err(invalid_state(record)),
        })?;
        if with_disks && ids.iter().map(|id| 1 + self.attached(id).len()).sum::<usize>() > ISOLATE_BATCH_MAX {
            let message =
                format!("At most {ISOLATE_BATCH_MAX} resources can be returned at once, data disks among them.");
            return Err(wrong("LimitExceeded.IsolateResourcesLimitExceeded", message));
        }
        self.count_returns(asked);
        let due = call.now.plus(Duration::from_millis(self.settings.isolate_ms));
        for mut record in records {
            if self.operations_fail() {
                self.begin_in_place(call, record, Effect::Power);
                continue;
            }
            if with_disks {
                self.isolate_disks(&record.id, call.now);
            }
            self.pay(-refund(&record, call.now));
            record.paid = 0;
            record.operation = Operation::begun(&call.action, &call.request_id, call.now);
            record.due = Some((due, Next::Isolated));
            self.put(record);
        }
        self.advance(call.now);
        done()
    }

    pub(super) fn terminate(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds"])?;
        let ids = params.need_instance_ids(TERMINATE_BATCH_MAX)?;
        let records = self.checked(call, &ids, |record| match record.state {
            State::Shutdown => idle(record),
            _ => Err(invalid_state(record)),
        })?;
        let due = call.now.plus(Duration::from_millis(self.settings.terminate_ms));
        for mut record in records {
            if self.operations_fail() {
                self.begin(call, record, State::Terminating, State::Shutdown, (Effect::Power, 0));
                continue;
            }
            record.state = State::Terminating;
            record.operation = Operation::begun(&call.action, &call.request_id, call.now);
            record.due = Some((due, Next::Gone));
            self.put(record);
        }
        self.advance(call.now);
        done()
    }
}
