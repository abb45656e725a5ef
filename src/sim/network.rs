//! The network between a process and the account: it loses, delays and doubles nothing by itself, and everything by chance.

use super::chance::Chance;
use super::disk::SimDisk;
use super::life::Life;
use super::sabotage::Sabotage;
use super::world::{Inner, ORDERS, World};
use crate::clock::{BoxFuture, Clock as _};
use crate::cloud::classify::classify;
use crate::cloud::limits::SIGNATURE_VALID_SECS;
use crate::cloud::port::{Prepared, Reply, Service, Transport};
use crate::cloud::types::TAG_BATCH;
use crate::cloud::{CloudError, ErrorClass};
use crate::model::{InstanceId, Timestamp};
use crate::sandbox::account::CreateFault;
use crate::sandbox::call::Call;
use crate::state::{Intent, Record};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the network fails, in percent of calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// The request is lost.
    pub lost_before: u64,
    /// The answer is lost.
    pub lost_after: u64,
    /// The request is late: the caller has long given up when it arrives.
    pub late: u64,
    /// A server's fault before anything is done.
    pub internal_before: u64,
    /// A server's fault after everything is done.
    pub internal_after: u64,
    /// The connection cannot be made.
    pub not_sent: u64,
    /// The call is turned away for its rate.
    pub throttled: u64,
    /// Stock is out, for this purchase or for a minute.
    pub sold_out: u64,
    /// A purchase's token is refused from now on, whatever a dry run says.
    pub refuse_token: u64,
    /// A purchase brings fewer than asked.
    pub partial: u64,
    /// What a purchase brings fails to launch.
    pub launch_failed: u64,
    /// A lagging replica answers for a moment: readings miss instances, or report LAUNCH_FAILED of machines that run.
    pub lagging: u64,
}

/// What a lagging replica answers, until it has caught up.
pub(super) struct Lag {
    until: Timestamp,
    ids: BTreeSet<InstanceId>,
    /// Whether it reports them as failed to launch; otherwise it lacks them.
    as_failed: bool,
}

impl NetworkFaults {
    /// Whether an answer may stay away although the call had its effect.
    pub fn lose_answers(&self) -> bool {
        self.lost_after + self.internal_after + self.late > 0
    }
}

/// A request that is on the way for long.
pub(super) struct Late {
    pub(super) at: Timestamp,
    pub(super) signed_at: Timestamp,
    pub(super) call: Call,
}

/// The network between one process and the account.
pub struct Network {
    /// The world.
    pub world: Arc<World>,
    /// The process.
    pub life: Arc<Life>,
    /// Its disk, to see whether an intent is durable.
    pub disk: SimDisk,
    /// Its journal.
    pub journal: PathBuf,
}

enum Fate {
    Answer(Result<Reply, CloudError>),
    Nothing,
}

impl Network {
    fn error(class: ErrorClass, action: &str, message: &str) -> Fate {
        Fate::Answer(Err(CloudError::transport(class, action, message)))
    }

    /// Before a purchase goes out: the invariants that hold at that moment.
    fn check_purchase(&self, inner: &mut Inner, body: &str, signed_at: Timestamp) {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let token = value["ClientToken"].as_str().unwrap_or_default().to_owned();
        if value["DryRun"] == true {
            return;
        }
        inner.last_purchase = Some(signed_at);
        let durable = self.disk.durable_text(&self.journal);
        if self.world.sabotage != Sabotage::RandomToken && !durable.contains(&token) {
            inner.violated(format!("purchase {token} has no durable intent"));
        }
        if !inner.ledger.knows(&token) {
            let intents = intents(&durable);
            for intent in &intents {
                if let Some(shape) = common_shape(intent, &value) {
                    inner.ledger.pool(&intent.token.0, &shape, intent.members.iter().map(|member| &member.address));
                }
            }
            if let Some(intent) = intents.into_iter().find(|intent| intent.token.0 == token) {
                let gone = departed(&self.disk.durable_text(&state_of(&self.journal)), &durable);
                let old: Vec<String> = intent.members.iter().map(|member| member.predecessor.to_string()).collect();
                let old = old.into_iter().filter(|id| !gone.contains(id)).collect();
                inner.ledger.replace(&token, old);
                inner.ledger.intend(&token, intent.members.into_iter().map(|member| member.address).collect());
            }
        }
        if let Some(wanted) = &inner.wanted
            && let Some(stray) = inner.ledger.members(&token).iter().find(|member| !wanted.contains(*member)).cloned()
        {
            inner.violated(format!("purchase {token} is for {stray}, which nobody wants any more"));
        }
        if let Some(before) = inner.ledger.send(&token, body) {
            // A changed secret may follow, once it is certain that the first body has bought nothing and never will; or when
            // all that it bought was destroyed by hand, which nobody can know who has lost the files.
            let on_its_way = inner.late.iter().any(|late| late.call.body["ClientToken"] == *token);
            if without_secret(&before) != without_secret(body) {
                inner.violated(format!("token {token} was used with two bodies"));
            } else if on_its_way || inner.has_living(&token) {
                inner.slipped(format!("token {token} was used with two secrets"));
            }
        }
    }

    /// What is read, as a replica has it that lags behind for a moment now and then.
    fn as_replica(&self, inner: &mut Inner, now: Timestamp, mut response: Value) -> Value {
        inner.lag.take_if(|lag| lag.until <= now);
        if inner.lag.is_none() && inner.chance.percent(inner.faults.lagging) {
            inner.lag = self.draw_lag(&mut inner.chance, now);
        }
        let Some(Lag { ids, as_failed, .. }) = &inner.lag else { return response };
        let is_hit = |one: &Value| one["InstanceId"].as_str().is_some_and(|id| ids.contains(&InstanceId::from(id)));
        let Some(set) = response["InstanceSet"].as_array_mut() else { return response };
        if *as_failed {
            for one in set.iter_mut().filter(|one| is_hit(one) && one["InstanceState"] == "RUNNING") {
                one["InstanceState"] = "LAUNCH_FAILED".into();
            }
            return response;
        }
        let before = set.len();
        set.retain(|one| !is_hit(one));
        let missed = (before - set.len()) as u64;
        response["TotalCount"] = response["TotalCount"].as_u64().unwrap_or_default().saturating_sub(missed).into();
        response
    }

    /// Which instances a replica misses: some or all of those that the state records as running. It catches up sooner than
    /// the engine reads again.
    fn draw_lag(&self, chance: &mut Chance, now: Timestamp) -> Option<Lag> {
        let state = self.disk.durable_text(&state_of(&self.journal));
        let state = crate::state::codec::decode(state.as_bytes()).ok()?;
        let running = state.instances.into_values().filter(|recorded| recorded.attributes.state == "RUNNING");
        let share = chance.pick(&[30, 100]);
        let ids = running.map(|recorded| recorded.instance_id).filter(|_| chance.percent(share)).collect();
        let until = now.plus(Duration::from_millis(chance.pick(&[300, 1200, 2400])));
        Some(Lag { until, ids, as_failed: chance.percent(30) })
    }

    fn transmit(&self, request: &Prepared) -> Fate {
        let now = self.world.clock.now();
        let mut inner = self.world.inner();
        let inner = &mut *inner;
        inner.run_late(now);
        let faults = inner.faults;
        let action = request.action;
        *inner.calls.entry(action.to_owned()).or_default() += 1;
        if inner.chance.percent(faults.not_sent) {
            return Self::error(ErrorClass::NotSent, action, "connection refused");
        }
        if inner.chance.percent(faults.lost_before) {
            return Fate::Nothing;
        }
        if now.since(request.signed_at) > Duration::from_secs(SIGNATURE_VALID_SECS) {
            return Self::error(ErrorClass::SignatureExpired, action, "the signature is too old");
        }
        if inner.chance.percent(faults.throttled) {
            return Self::error(ErrorClass::Throttled, action, "RequestLimitExceeded");
        }
        let mut body = request.body.clone();
        let buys = action == "CreateInstances";
        if buys {
            if self.world.sabotage == Sabotage::RandomToken {
                let mut value: Value = serde_json::from_str(&body).unwrap_or_default();
                value["ClientToken"] = format!("{:016x}", inner.chance.next_u64()).into();
                body = value.to_string();
            }
            self.check_purchase(inner, &body, request.signed_at);
        }
        let value: Value = serde_json::from_str(&body).unwrap_or_default();
        if self.world.sabotage == Sabotage::BlindLook
            && action == "DescribeInstances"
            && value.get("InstanceIds").is_none()
        {
            let response = serde_json::json!({"TotalCount": 0, "InstanceSet": []});
            return Fate::Answer(Ok(Reply::from_value(response, String::new())));
        }
        let call = inner.call(request.service.name(), action, value, now);
        if inner.chance.percent(faults.internal_before) {
            return Self::error(ErrorClass::Ambiguous, action, "InternalError");
        }
        if (buys || ORDERS.contains(&action)) && inner.chance.percent(faults.late) {
            let at = now.plus(Duration::from_secs(inner.chance.below(400)));
            inner.late.push(Late { at, signed_at: request.signed_at, call });
            return Fate::Nothing;
        }
        let sold_out = buys && inner.chance.percent(faults.sold_out);
        if sold_out && inner.chance.percent(50) {
            inner.sold_out_until = now.plus(Duration::from_secs(60));
        }
        let partial = inner.chance.percent(faults.partial);
        let create = CreateFault {
            partial: partial.then(|| 1 + inner.chance.below(2) as u32),
            launch_failed: inner.chance.percent(faults.launch_failed),
            sold_out: faults.sold_out > 0 && now < inner.sold_out_until || sold_out,
            refuse_token: inner.chance.percent(faults.refuse_token),
        };
        let answer = inner.carry_out(&call, create).map(|response| match action {
            "DescribeInstances" => self.as_replica(inner, now, response),
            _ => response,
        });
        if inner.chance.percent(faults.internal_after) {
            return Self::error(ErrorClass::Ambiguous, action, "InternalError");
        }
        if inner.chance.percent(faults.lost_after) {
            return Fate::Nothing;
        }
        Fate::Answer(match answer {
            Ok(response) => Ok(Reply::from_value(response, call.request_id)),
            Err(error) => Err(CloudError {
                class: classify(&error.code),
                action: action.into(),
                code: Some(error.code),
                message: error.message,
                request_id: Some(call.request_id),
            }),
        })
    }
}

impl Transport for Network {
    fn prepare(
        &self,
        service: Service,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        let signed_at = self.world.clock.now();
        Box::pin(std::future::ready(Ok(Prepared { service, action, body, signed_at, headers: Vec::new() })))
    }

    fn send(&self, request: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        Box::pin(async move {
            // Dying before the request leaves, or while the answer is on its way, are two moments.
            if !self.life.survives() {
                return std::future::pending().await;
            }
            let there = Duration::from_millis(1 + self.world.inner().chance.below(40));
            self.world.clock.sleep(there).await;
            if self.life.is_dead() {
                return std::future::pending().await;
            }
            let fate = self.transmit(&request);
            if !self.life.survives() {
                return std::future::pending().await;
            }
            match fate {
                Fate::Answer(Ok(reply)) => {
                    self.world.clock.sleep(there).await;
                    Ok(reply)
                }
                Fate::Answer(Err(error)) => {
                    self.world.clock.sleep(Duration::from_millis(20)).await;
                    Err(error)
                }
                Fate::Nothing => {
                    self.world.clock.sleep(Duration::from_secs(60)).await;
                    Err(CloudError::transport(ErrorClass::Ambiguous, request.action, "no answer"))
                }
            }
        })
    }

    fn endpoint(&self) -> String {
        "simulation".into()
    }
}

/// The state beside a journal.
fn state_of(journal: &Path) -> PathBuf {
    PathBuf::from(journal.to_string_lossy().trim_end_matches(".journal"))
}

/// The intents of a journal.
fn intents(journal: &str) -> Vec<Intent> {
    let of_line = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        match serde_json::from_value(line.get("record")?.clone()).ok()? {
            Record::Intent(intent) => Some(intent),
            _ => None,
        }
    };
    journal.lines().filter(|line| line.contains(r#""type":"intent""#)).filter_map(of_line).collect()
}

/// What a purchase has in common with others from which nobody can tell it apart: without ownership tags, which the body
/// that goes out would have, and with one name for all members. Its instances may stand for any member of all of them.
fn common_shape(intent: &Intent, sent: &Value) -> Option<String> {
    let is_tagged = sent["Tags"].as_array().into_iter().flatten().any(|tag| tag["Key"] == TAG_BATCH);
    let body = &intent.body;
    let one_name = intent.members.iter().all(|member| body["InstanceName"] == member.name.as_str());
    let shape = ["InstanceName", "BundleId", "BlueprintId", "Zones"].map(|key| body[key].to_string());
    (!is_tagged && one_name).then(|| shape.join(" "))
}

/// What stood somewhere before and is said to be gone, in a state's text or a journal's.
fn departed(state: &str, journal: &str) -> BTreeSet<String> {
    let state = crate::state::codec::decode(state.as_bytes()).ok();
    let before: Vec<_> = state.into_iter().flat_map(|state| state.predecessors.into_values()).collect();
    let gone = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["record"]["type"] == "gone")
        .filter_map(|line| line["record"]["instance_id"].as_str().map(str::to_owned));
    before.iter().map(ToString::to_string).chain(gone).collect()
}

fn without_secret(body: &str) -> Value {
    let mut value: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(login) = value.get_mut("LoginConfiguration").and_then(Value::as_object_mut) {
        login.remove("Password");
    }
    value
}
