//! What happens to an instance without the API: somebody at the console, the service itself, the law. For rehearsals of
//! drift; nothing of it can be asked for through the API.

use super::account::{Account, KEPT, not_found};
use super::call::{Answer, ApiError};
use super::catalogue;
use super::order::{bad_value, renew_flag, tags};
use super::params::{Params, wrong};
use super::record::{Next, Record, State, Violation};
use crate::model::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// What can be set, by the names of DescribeInstances and DescribeInstancesReturnable.
const FIELDS: [&str; 14] = [
    "InstanceState",
    "InstanceRestrictState",
    "InstanceViolationDetail",
    "ReturnFailCode",
    "ExpiredTime",
    "InstanceName",
    "RenewFlag",
    "BundleId",
    "BlueprintId",
    "KeyIds",
    "Tags",
    "DataDisks",
    "Snapshots",
    "DeniedActions",
];

/// Whether a text is `yes` rather than `no`.
fn either(text: &str, yes: &str, no: &str) -> Result<bool, ApiError> {
    match text {
        _ if text == yes => Ok(true),
        _ if text == no => Ok(false),
        _ => Err(bad_value(format!("`{text}` is neither {yes} nor {no}."))),
    }
}

fn state(text: &str) -> Result<State, ApiError> {
    serde_json::from_value(json!(text)).map_err(|_| bad_value(format!("`{text}` is no state of an instance.")))
}

fn violation(params: &Params<'_>) -> Result<Violation, ApiError> {
    let texts = |name: &str| params.text(name).map(|text| text.unwrap_or_default().to_owned());
    Ok(Violation {
        source: texts("Source")?,
        state: texts("State")?,
        reason: texts("Reason")?,
        content: texts("Content")?,
    })
}

impl Account {
    /// Sets fields of an instance, as if somebody had done it outside the API; gives it as DescribeInstances shows it.
    ///
    /// # Errors
    /// No such instance, no such field, no such value; nothing is changed then.
    pub fn intervene(&mut self, id: &str, fields: &Value, now: Timestamp) -> Answer {
        self.advance(now);
        let mut record = self.record(id).cloned().ok_or_else(|| not_found(id))?;
        let params = Params::of_body(fields, &FIELDS)?;
        if let Some(text) = params.text("InstanceRestrictState")? {
            record.restricted = either(text, "NETWORK_RESTRICT", "NORMAL")?;
        }
        if fields.get("InstanceViolationDetail").is_some_and(Value::is_null) {
            record.violation = None;
        } else if let Some(inner) =
            params.inner("InstanceViolationDetail", &["Source", "State", "Reason", "Content"])?
        {
            record.violation = Some(violation(&inner)?);
        }
        if let Some(code) = params.bounded("ReturnFailCode", 0, 12)? {
            record.return_fail = u8::try_from(code).unwrap_or(0);
        }
        if let Some(text) = params.text("ExpiredTime")? {
            let time = Timestamp::parse(text).ok_or_else(|| bad_value(format!("`{text}` is not a time in UTC.")))?;
            (record.expires, record.dunned) = (time, false);
        }
        if let Some(text) = params.text("InstanceName")? {
            text.clone_into(&mut record.name);
        }
        if let Some(text) = params.text("RenewFlag")? {
            record.renew_flag = renew_flag(text)?;
        }
        if let Some(text) = params.text("BundleId")? {
            let bundle = catalogue::find_bundle(self.settings.site, text);
            let bundle = bundle.ok_or_else(|| bad_value(format!("The bundle `{text}` does not exist.")))?;
            bundle.id.clone_into(&mut record.bundle);
        }
        if let Some(text) = params.text("BlueprintId")? {
            let image = catalogue::find_blueprint(text);
            let image = image.ok_or_else(|| bad_value(format!("The blueprint `{text}` does not exist.")))?;
            image.id.clone_into(&mut record.blueprint);
        }
        if fields.get("KeyIds").is_some() {
            let keys = params.ids("KeyIds", "lhkp-", "InvalidParameterValue.KeyPairIdMalformed", 100)?;
            record.keys = keys.into_iter().map(str::to_owned).collect();
        }
        if fields.get("Tags").is_some() {
            record.tags = tags(&params)?;
        }
        if let Some(list) = fields.get("DataDisks") {
            self.attach_disks(&record, list, now)?;
        }
        if let Some(count) = fields.get("Snapshots") {
            self.make_snapshots(&mut record, count, now)?;
        }
        if let Some(list) = fields.get("DeniedActions") {
            record.denied = serde_json::from_value(list.clone()).map_err(|error| bad_value(error.to_string()))?;
        }
        if let Some(text) = params.text("InstanceState")? {
            self.force_state(&mut record, state(text)?, now);
        }
        self.put(record);
        self.advance(now);
        Ok(self.record(id).map_or(Value::Null, |record| record.to_json(self.settings.site)))
    }

    /// Ends an instance at once, without a trace.
    ///
    /// # Errors
    /// No such instance.
    pub fn vanish(&mut self, id: &str, now: Timestamp) -> Answer {
        self.advance(now);
        self.record(id).ok_or_else(|| not_found(id))?;
        self.remove(id);
        Ok(json!({}))
    }

    /// An instance as the account keeps it, with what DescribeInstances does not show.
    ///
    /// # Errors
    /// No such instance.
    pub fn inspect(&mut self, id: &str, now: Timestamp) -> Answer {
        self.advance(now);
        let record = self.record(id).ok_or_else(|| not_found(id))?;
        serde_json::to_value(record).map_err(|error| wrong("InternalError", error.to_string()))
    }

    /// Whatever was under way is over, badly.
    fn force_state(&mut self, record: &mut Record, state: State, now: Timestamp) {
        if let Some((_, Next::Operated(operating))) = record.due.take() {
            self.pay(-operating.paid);
        }
        if record.operation.runs() {
            record.operation.state = "FAILED".into();
        }
        record.state = state;
        record.isolated = None;
        match state {
            State::Shutdown => {
                record.isolated = Some(now);
                record.due = Some((now.plus(KEPT), Next::Gone));
            }
            State::Terminating | State::Deleting => {
                let due = now.plus(Duration::from_millis(self.settings.terminate_ms));
                record.due = Some((due, Next::Gone));
            }
            _ => {}
        }
    }
}
