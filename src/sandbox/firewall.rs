//! Firewall templates, as far as they are applied to instances: which one was applied last.

use super::account::Account;
use super::call::{Answer, Call};
use super::operate::creating;
use super::order::check_template;
use super::params::{Params, wrong};
use super::record::State;
use crate::model::Site;
use serde_json::json;

/// Most instances in one ApplyFirewallTemplate (model).
const APPLY_MAX: usize = 100;

impl Account {
    pub(super) fn apply_firewall_template(&mut self, call: &Call) -> Answer {
        if self.settings.site != Site::China {
            return Err(wrong("InvalidAction", "The action `ApplyFirewallTemplate` does not exist."));
        }
        let params = Params::of_body(&call.body, &["TemplateId", "ApplyInstances"])?;
        let template = params.need_text("TemplateId")?;
        check_template(template)?;
        let targets = params.inners("ApplyInstances", &["InstanceId", "Region"])?;
        if targets.is_empty() || targets.len() > APPLY_MAX {
            let message = format!("`ApplyInstances` has {} elements; 1 to {APPLY_MAX} are allowed.", targets.len());
            return Err(wrong("InvalidParameterValue.LimitExceeded", message));
        }
        let mut records = Vec::new();
        for target in &targets {
            let (id, region) = (target.need_text("InstanceId")?, target.need_text("Region")?);
            let there = Call { region: region.to_owned(), ..call.clone() };
            let record = self.one(&there, id)?;
            if record.state == State::Pending {
                return Err(creating(record));
            }
            records.push(record.clone());
        }
        for mut record in records {
            record.firewall_template = Some(template.to_owned());
            self.put(record);
        }
        Ok(json!({"TaskId": self.random_id("lhft-task-")}))
    }
}
