//! Names and renew flags: changes that end at once.

use super::account::{Account, done};
use super::call::{Answer, Call};
use super::operate::{creating, idle, invalid_state};
use super::order::renew_flag;
use super::params::{Params, wrong};
use super::record::{Operation, Record, State};
use crate::cloud::limits::{INSTANCE_NAME_MAX, RENAME_BATCH_MAX};

/// Most instances in one ModifyInstancesRenewFlag.
const FLAG_BATCH_MAX: usize = 100;

impl Account {
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
            State::Pending => Err(creating(record)),
            State::Running | State::Stopped => idle(record),
            _ => Err(invalid_state(record)),
        })?;
        self.change_at_once(call, records, |record| name.clone_into(&mut record.name));
        done()
    }

    pub(super) fn modify_renew_flag(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "RenewFlag"])?;
        let ids = params.need_instance_ids(FLAG_BATCH_MAX)?;
        let flag = renew_flag(params.need_text("RenewFlag")?)?;
        let records = self.checked(call, &ids, |record| match record.state {
            State::Running | State::Stopped => idle(record),
            _ => Err(invalid_state(record)),
        })?;
        self.change_at_once(call, records, |record| flag.clone_into(&mut record.renew_flag));
        // To be renewed may be due already.
        self.advance(call.now);
        done()
    }

    fn change_at_once(&mut self, call: &Call, records: Vec<Record>, change: impl Fn(&mut Record)) {
        for mut record in records {
            change(&mut record);
            // What creates an instance stays its last operation until it is done.
            if record.state != State::Pending && self.settings.quick_operations {
                record.operation = Operation::begun(&call.action, &call.request_id, call.now);
                record.operation.state = "SUCCESS".into();
            }
            self.put(record);
        }
    }
}
