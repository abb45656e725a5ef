//! A new system disk for an instance: which images it can have, and the reinstallation.

use super::account::{Account, done};
use super::call::{Answer, ApiError, Call};
use super::catalog_actions::{blueprint_json, blueprint_matches};
use super::catalogue::{self, BLUEPRINTS, Blueprint};
use super::operate::ready;
use super::order::{containers, login};
use super::params::{Params, well_formed, wrong};
use super::record::{Effect, Record, State};
use crate::model::Site;
use serde_json::{Value, json};

const FILTERS: [&str; 5] = ["blueprint-id", "blueprint-type", "platform-type", "blueprint-name", "blueprint-state"];

impl Account {
    /// The image fits the instance.
    fn installable(&self, record: &Record, image: &Blueprint) -> Result<(), ApiError> {
        let mainland = catalogue::find_region(self.settings.site, &record.region).is_some_and(|region| region.mainland);
        if !mainland && image.windows != record.is_windows() {
            let message = "Linux and Windows cannot be exchanged outside the mainland of China.";
            return Err(wrong("InvalidParameterValue.NotAllowToChangePlatformType", message));
        }
        let bundle = catalogue::find_bundle(self.settings.site, &record.bundle);
        let fits = bundle.is_some_and(|bundle| {
            let system = if image.windows { bundle.windows } else { bundle.linux };
            system && image.disk <= bundle.disk && image.memory <= bundle.memory
        });
        if fits {
            return Ok(());
        }
        let message = format!("The bundle `{}` does not meet what `{}` needs.", record.bundle, image.id);
        Err(wrong("InvalidParameterValue.BlueprintConfigNotMatch", message))
    }

    pub(super) fn describe_reset_blueprints(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceId", "Offset", "Limit", "Filters"])?;
        let record = self.one(call, params.need_instance_id()?)?;
        let filters = params.filters(5, |name| FILTERS.contains(&name))?;
        let page = params.page()?;
        let found: Vec<_> =
            BLUEPRINTS.iter().filter(|image| filters.iter().all(|filter| blueprint_matches(image, filter))).collect();
        let one = |image: &Blueprint| {
            let verdict = self.installable(record, image);
            json!({
                "BlueprintInfo": blueprint_json(self.settings.site, image),
                "IsResettable": verdict.is_ok(),
                "NonResettableMessage": verdict.err().map(|error| error.message).unwrap_or_default(),
            })
        };
        let total = found.len();
        let set: Vec<Value> = page.of(found).into_iter().map(one).collect();
        Ok(json!({"TotalCount": total, "ResetInstanceBlueprintSet": set}))
    }

    pub(super) fn reset(&mut self, call: &Call) -> Answer {
        let site = self.settings.site;
        let mut known = vec!["InstanceId", "BlueprintId", "Containers"];
        if site == Site::China {
            known.push("LoginConfiguration");
        }
        let params = Params::of_body(&call.body, &known)?;
        let record = self.one(call, params.need_instance_id()?)?;
        let id = params.text("BlueprintId")?.unwrap_or(&record.blueprint);
        if !well_formed(id, "lhbp-") {
            let message = format!("The blueprint id `{id}` is malformed.");
            return Err(wrong("InvalidParameterValue.BlueprintIdMalformed", message));
        }
        let image = catalogue::find_blueprint(id).ok_or_else(|| {
            wrong("ResourceNotFound.BlueprintIdNotFound", format!("The blueprint `{id}` does not exist."))
        })?;
        containers(site == Site::China, &params, image)?;
        let login = login(site, &params, image)?;
        ready(record, &[State::Running, State::Stopped])?;
        self.installable(record, image)?;
        let record = record.clone();
        self.begin_shut_down(call, record, (Effect::Reset(image.id.to_owned(), login), 0));
        self.advance(call.now);
        done()
    }
}
