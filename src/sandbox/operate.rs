//! How an operation on instances begins: who may be operated on, and what is under way then. A call acts on all of its ids
//! or on none.

use super::account::{Account, not_found};
use super::call::{ApiError, Call};
use super::params::wrong;
use super::record::{Effect, Next, Operating, Operation, Record, State};
use super::settings::Afterwards;

/// The error of an instance in a state that an action does not admit.
pub fn invalid_state(record: &Record) -> ApiError {
    let message = format!("Instance `{}` in `{}` does not support this operation.", record.id, record.state.as_str());
    wrong("UnsupportedOperation.InvalidInstanceState", message)
}

/// The error of an instance that is still being created.
pub fn creating(record: &Record) -> ApiError {
    wrong("OperationDenied.InstanceCreating", format!("The instance `{}` is being created.", record.id))
}

/// No operation runs.
///
/// # Errors
/// `UnsupportedOperation.LatestOperationUnfinished`.
pub fn idle(record: &Record) -> Result<(), ApiError> {
    if !record.operation.runs() {
        return Ok(());
    }
    let message = format!("The operation `{}` on `{}` is not finished.", record.operation.action, record.id);
    Err(wrong("UnsupportedOperation.LatestOperationUnfinished", message))
}

/// The instance is created, idle, and in one of `states`.
///
/// # Errors
/// The API's error.
pub fn ready(record: &Record, states: &[State]) -> Result<(), ApiError> {
    if record.state == State::Pending {
        return Err(creating(record));
    }
    idle(record)?;
    if states.contains(&record.state) { Ok(()) } else { Err(invalid_state(record)) }
}

impl Account {
    /// The instance `id` in the region of a call.
    ///
    /// # Errors
    /// `ResourceNotFound.InstanceIdNotFound`.
    pub(super) fn one(&self, call: &Call, id: &str) -> Result<&Record, ApiError> {
        self.record(id).filter(|record| record.region == call.region).ok_or_else(|| not_found(id))
    }

    /// The instances of a call, if all are there and `check` admits each.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(super) fn checked(
        &self,
        call: &Call,
        ids: &[&str],
        check: impl Fn(&Record) -> Result<(), ApiError>,
    ) -> Result<Vec<Record>, ApiError> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let record = self.one(call, id)?;
            check(record)?;
            records.push(record.clone());
        }
        Ok(records)
    }

    /// Begins an operation: the instance is in `during` until it ends, then in `then`.
    pub(super) fn begin(
        &mut self,
        call: &Call,
        mut record: Record,
        during: State,
        then: State,
        (effect, paid): (Effect, i64),
    ) {
        let fails = self.operations_fail();
        let due = call.now.plus(self.settings.operation_time(&call.action));
        let operating = Operating { effect, then, otherwise: record.state, paid, fails };
        record.state = during;
        record.operation = Operation::begun(&call.action, &call.request_id, call.now);
        record.due = Some((due, Next::Operated(Box::new(operating))));
        self.pay(paid);
        self.put(record);
    }

    /// Begins an operation for which a running instance is shut down.
    pub(super) fn begin_shut_down(&mut self, call: &Call, record: Record, effect: (Effect, i64)) {
        let (during, then) = match (record.state, self.settings.after_shutdown) {
            (State::Running, Afterwards::Running) => (State::Stopping, State::Running),
            (State::Running, Afterwards::Stopped) => (State::Stopping, State::Stopped),
            (state, _) => (state, state),
        };
        self.begin(call, record, during, then, effect);
    }

    /// Begins an operation that leaves the power state alone.
    pub(super) fn begin_in_place(&mut self, call: &Call, record: Record, effect: Effect) {
        let state = record.state;
        self.begin(call, record, state, state, (effect, 0));
    }
}
