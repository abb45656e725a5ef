//! Start, stop, reboot.

use super::account::{Account, done};
use super::call::{Answer, Call};
use super::operate::ready;
use super::params::{Params, wrong};
use super::record::{Effect, State};
use crate::model::Site;

/// Most instances in one call.
const POWER_BATCH_MAX: usize = 100;

impl Account {
    pub(super) fn start(&mut self, call: &Call) -> Answer {
        self.power(call, State::Stopped, State::Starting, State::Running)
    }

    pub(super) fn stop(&mut self, call: &Call) -> Answer {
        self.power(call, State::Running, State::Stopping, State::Stopped)
    }

    pub(super) fn reboot(&mut self, call: &Call) -> Answer {
        self.power(call, State::Running, State::Rebooting, State::Running)
    }

    fn power(&mut self, call: &Call, from: State, during: State, then: State) -> Answer {
        let mut known = vec!["InstanceIds"];
        if from == State::Running && self.settings.site == Site::China {
            known.push("StopType");
        }
        let params = Params::of_body(&call.body, &known)?;
        let ids = params.need_instance_ids(POWER_BATCH_MAX)?;
        if let Some(other) = params.text("StopType")?.filter(|kind| !["SOFT", "HARD", "SOFT_FIRST"].contains(kind)) {
            let message = format!("`{other}` is none of SOFT, HARD, SOFT_FIRST.");
            return Err(wrong("InvalidParameterValue.OutOfRange", message));
        }
        for record in self.checked(call, &ids, |record| ready(record, &[from]))? {
            self.begin(call, record, during, then, (Effect::Power, 0));
        }
        self.advance(call.now);
        done()
    }
}
