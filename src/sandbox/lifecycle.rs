//! Renaming, returning and destroying instances. A call acts on all of its ids or on none.

use super::account::{Account, done, not_found};
use super::call::{Answer, ApiError, Call};
use super::params::{Params, wrong};
use super::record::{Next, Operation, Record, State};
use crate::cloud::limits::{INSTANCE_NAME_MAX, ISOLATE_BATCH_MAX, RENAME_BATCH_MAX, TERMINATE_BATCH_MAX};
use crate::model::Timestamp;
use std::time::Duration;

/// So long a return brings back everything (the refund rules of the product).
const FULL_REFUND: Duration = Duration::from_secs(5 * 86_400);

fn invalid_state(record: &Record) -> ApiError {
    let message = format!("Instance `{}` in `{}` does not support this operation.", record.id, record.state.as_str());
    wrong("UnsupportedOperation.InvalidInstanceState", message)
}

fn idle(record: &Record) -> Result<(), ApiError> {
    if !record.operation.runs() {
        return Ok(());
    }
    let message = format!("The operation `{}` on `{}` is not finished.", record.operation.action, record.id);
    Err(wrong("UnsupportedOperation.LatestOperationUnfinished", message))
}

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

impl Account {
    /// The instances of a call, if all are there and `check` admits each.
    fn checked(
        &self,
        call: &Call,
        ids: &[&str],
        check: impl Fn(&Record) -> Result<(), ApiError>,
    ) -> Result<Vec<Record>, ApiError> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let record = self.record(id).filter(|record| record.region == call.region).ok_or_else(|| not_found(id))?;
            check(record)?;
            records.push(record.clone());
        }
        Ok(records)
    }

    pub(super) fn rename(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "InstanceName"])?;
        let ids = params.need_instance_ids(RENAME_BATCH_MAX)?;
        let Some(name) = params.text("InstanceName")? else {
            let message = "There must be an attribute to modify.";
            return Err(wrong("InvalidParameter.MustSpecifyOneAttributeToModify", message));
        };
        if name.chars().count() > INSTANCE_NAME_MAX {
            let message = format!("The instance name is longer than {INSTANCE_NAME_MAX} characters.");
            return Err(wrong("InvalidParameterValue.InstanceNameTooLong", message));
        }
        let early = self.settings.rename_while_pending;
        let records = self.checked(call, &ids, |record| match record.state {
            State::Pending if early => Ok(()),
            State::Pending => Err(wrong(
                "OperationDenied.InstanceCreating",
                format!("The instance `{}` is being created.", record.id),
            )),
            State::Running | State::Stopped => idle(record),
            _ => Err(invalid_state(record)),
        })?;
        for mut record in records {
            name.clone_into(&mut record.name);
            // What creates an instance stays its last operation until it is done.
            if record.state != State::Pending {
                record.operation = Operation::begun(&call.action, &call.request_id, call.now);
                record.operation.state = "SUCCESS".into();
            }
            self.put(record);
        }
        done()
    }

    pub(super) fn isolate(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "IsolateDataDisk"])?;
        params.boolean("IsolateDataDisk")?;
        if params.texts("InstanceIds")?.len() > ISOLATE_BATCH_MAX {
            let message = format!("At most {ISOLATE_BATCH_MAX} resources can be returned at once.");
            return Err(wrong("LimitExceeded.IsolateResourcesLimitExceeded", message));
        }
        let ids = params.need_instance_ids(ISOLATE_BATCH_MAX)?;
        let records = self.checked(call, &ids, |record| match record.state {
            State::Running | State::Stopped => idle(record),
            _ => Err(invalid_state(record)),
        })?;
        let due = call.now.plus(Duration::from_millis(self.settings.isolate_ms));
        for mut record in records {
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
            record.state = State::Terminating;
            record.operation = Operation::begun(&call.action, &call.request_id, call.now);
            record.due = Some((due, Next::Gone));
            self.put(record);
        }
        self.advance(call.now);
        done()
    }
}
