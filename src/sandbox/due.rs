//! What time makes of an instance: operations end, paid time ends, returned instances vanish.

use super::account::{Account, KEPT};
use super::catalogue;
use super::record::{Effect, GRACE, Next, Operating, Record, State};
use super::term::months_later;
use crate::model::Timestamp;

impl Account {
    /// Lets what is due at `time` happen to an instance.
    pub(super) fn fall_due(&mut self, mut record: Record, time: Timestamp) {
        match record.due.take_if(|(due, _)| *due <= time) {
            Some((_, next)) => self.next(record, time, next),
            None => self.paid_time_ends(record, time),
        }
    }

    fn next(&mut self, mut record: Record, time: Timestamp, next: Next) {
        match next {
            Next::Boot => {
                record.state = State::Running;
                record.operation.state = "SUCCESS".into();
            }
            Next::Fail => {
                record.state = State::LaunchFailed;
                record.operation.state = "FAILED".into();
                self.pay(-record.paid);
                record.paid = 0;
            }
            Next::Isolated => {
                record.state = State::Shutdown;
                record.isolated = Some(time);
                record.operation.state = "SUCCESS".into();
                record.due = Some((time.plus(KEPT), Next::Gone));
            }
            Next::Gone => {
                self.remove(&record.id);
                return;
            }
            Next::Operated(operating) => self.operated(&mut record, time, *operating),
        }
        self.put(record);
    }

    fn operated(&mut self, record: &mut Record, time: Timestamp, operating: Operating) {
        if operating.fails {
            self.pay(-operating.paid);
            record.operation.state = "FAILED".into();
            record.state = operating.otherwise;
            if let (State::Shutdown, Some(since)) = (record.state, record.isolated) {
                record.due = Some((since.plus(KEPT).max(time), Next::Gone));
            }
            return;
        }
        record.operation.state = "SUCCESS".into();
        record.state = operating.then;
        record.paid = record.paid.saturating_add(operating.paid);
        match operating.effect {
            Effect::Power => {}
            Effect::Bundle(bundle) => record.bundle = bundle,
            Effect::Reset(blueprint, login) => {
                record.blueprint = blueprint;
                (record.keys, record.key_user, record.password) = (login.keys, login.user, login.password);
                record.resets = record.resets.saturating_add(1);
            }
            Effect::Keys(keys, user) => (record.keys, record.key_user) = (keys, user),
            Effect::Password(digest) => record.password = Some(digest),
            Effect::Renew(expires, flag) => {
                (record.expires, record.renew_flag) = (expires, flag);
                record.dunned = false;
                record.isolated = None;
            }
        }
    }

    /// Renewed if it is to be and the money is there; if not, taken out of service after the grace.
    fn paid_time_ends(&mut self, mut record: Record, time: Timestamp) {
        if time < record.expires.plus(GRACE) {
            let month = catalogue::find_bundle(self.settings.site, &record.bundle).map_or(0, |bundle| bundle.month);
            let later = months_later(record.expires, 1);
            if record.renews() && month <= self.balance().0 && later > record.expires {
                self.pay(month);
                record.paid = record.paid.saturating_add(month);
                record.expires = later;
            } else {
                record.dunned = true;
            }
        } else {
            if let Some((_, Next::Operated(operating))) = record.due.take() {
                self.pay(-operating.paid);
                record.operation.state = "FAILED".into();
            }
            record.state = State::Shutdown;
            record.isolated = Some(time);
            record.due = Some((time.plus(KEPT), Next::Gone));
        }
        self.put(record);
    }
}
