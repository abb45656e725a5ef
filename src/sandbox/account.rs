//! The account: what it holds, how time changes it, and which action goes where. Pure: the time comes with each call
//! and chance from a seed, so the same calls give the same answers.

use super::actions::{self, counted_as, knows};
use super::call::{Answer, ApiError, Call};
use super::catalogue;
use super::disks::DataDisk;
use super::index::{Index, Listing};
use super::params::wrong;
use super::record::Record;
use super::settings::Settings;
use super::sts::{assume_role, caller_identity};
use crate::model::money::Amount;
use crate::model::{SplitMix64, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// The account's number.
pub const ACCOUNT_ID: &str = "100000000001";

/// So long an isolated instance is kept (the refund rules of the product).
pub const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// Under which calls of actions that do not exist are counted.
const UNKNOWN_ACTION: &str = "(unknown)";

/// What is forced upon one CreateInstances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreateFault {
    /// Only so many are bought.
    pub partial: Option<u32>,
    /// All that are bought end as LAUNCH_FAILED.
    pub launch_failed: bool,
    /// The bundle is sold out.
    pub sold_out: bool,
    /// Its token is refused from now on, whatever a dry run says.
    pub refuse_token: bool,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// The account itself.
    #[default]
    Owner,
    /// A role of the account, with temporary credentials.
    Role {
        /// Its name.
        role: String,
        /// Name of the session.
        session: String,
    },
}

/// The circumstances of a call: what is forced upon it, and who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forced {
    /// Of a CreateInstances.
    pub create: CreateFault,
    /// The operations that the call begins will fail.
    pub operation_fails: bool,
    /// Who asks.
    pub caller: Caller,
}

impl From<CreateFault> for Forced {
    fn from(create: CreateFault) -> Self {
        Self { create, ..Self::default() }
    }
}

/// A purchase that a token stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Digest of region and parameters.
    pub digest: String,
    /// What was bought.
    pub ids: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// It stands for nothing, and is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// What the account counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Money, in ten-thousandths.
    pub balance: i64,
    /// State of the generator.
    pub random: SplitMix64,
    /// Instances bought so far.
    pub serial: u64,
    /// By region, how often a zone has been chosen.
    pub zone_turn: BTreeMap<String, u64>,
    /// Instances returned so far.
    #[serde(default)]
    pub returned: u64,
}

/// How many calls of an action there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Answered.
    pub ok: u64,
    /// Refused.
    pub errors: u64,
}

/// What a call has changed, for a store that appends. Applied in order to a new account they give the same account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An instance as it is now.
    Instance(Box<Record>),
    /// An instance is gone.
    Removed(String),
    /// A token stands for a purchase.
    Token(String, TokenRecord),
    /// Money and counters as they are now.
    Ledger(Ledger),
    /// A data disk as it is now.
    Disk(Box<DataDisk>),
    /// Calls of an action so far. A store may leave these out.
    Calls(String, Calls),
}

#[derive(Debug, Default)]
struct Dirty {
    instances: BTreeSet<String>,
    disks: BTreeSet<String>,
    tokens: BTreeSet<String>,
    ledger: bool,
    calls: BTreeSet<String>,
}

/// A simulated account of one site.
#[derive(Debug)]
pub struct Account {
    pub(super) settings: Settings,
    instances: HashMap<String, Record>,
    index: Index,
    due: BTreeSet<(Timestamp, String)>,
    used: HashMap<String, u32>,
    tokens: HashMap<String, TokenRecord>,
    disks: BTreeMap<String, DataDisk>,
    ledger: Ledger,
    calls: BTreeMap<String, Calls>,
    dirty: Dirty,
    operations_fail: bool,
}

impl Account {
    /// An account without instances.
    pub fn new(settings: Settings) -> Self {
        let ledger = Ledger {
            balance: settings.balance_amount().unwrap_or_default().0,
            random: SplitMix64::new(settings.seed),
            serial: 0,
            zone_turn: BTreeMap::new(),
            returned: 0,
        };
        Self {
            settings,
            instances: HashMap::new(),
            index: Index::default(),
            due: BTreeSet::new(),
            used: HashMap::new(),
            tokens: HashMap::new(),
            disks: BTreeMap::new(),
            ledger,
            calls: BTreeMap::new(),
            dirty: Dirty::default(),
            operations_fail: false,
        }
    }

    /// How it behaves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Answers a call.
    ///
    /// # Errors
    /// The API's error.
    pub fn call(&mut self, call: &Call) -> Answer {
        self.call_with(call, Forced::default())
    }

    /// Answers a call that comes under circumstances of its own.
    ///
    /// # Errors
    /// The API's error.
    pub fn call_with(&mut self, call: &Call, forced: impl Into<Forced>) -> Answer {
        let forced = forced.into();
        self.advance(call.now);
        self.operations_fail = forced.operation_fails;
        let answer = self.route(call, &forced);
        self.operations_fail = false;
        self.count(&call.service, counted_as(&call.action, &call.body), answer.is_ok());
        answer
    }

    fn route(&mut self, call: &Call, forced: &Forced) -> Answer {
        let Some(version) = actions::version(&call.service) else {
            return Err(wrong("InvalidAction", format!("There is no service `{}`.", call.service)));
        };
        if call.version != version {
            let message = format!("The version `{}` of `{}` does not exist.", call.version, call.service);
            return Err(wrong("NoSuchVersion", message));
        }
        let Some(action) = actions::find(&call.service, &call.action) else {
            return Err(wrong("InvalidAction", format!("The action `{}` does not exist.", call.action)));
        };
        if call.region.is_empty() && !action.anywhere {
            return Err(wrong("MissingParameter", "The request is missing the header `X-TC-Region`."));
        }
        let here = catalogue::find_region(self.settings.site, &call.region).is_some();
        if !here && !call.region.is_empty() && call.service == "lighthouse" {
            return Err(wrong("UnsupportedRegion", format!("The region `{}` is not supported.", call.region)));
        }
        match call.action.as_str() {
            "ApplyFirewallTemplate" => self.apply_firewall_template(call),
            "AssociateInstancesKeyPairs" => self.associate_keys(call),
            "CreateInstances" => self.create_instances(call, forced.create),
            "DescribeDisks" => self.describe_disks(call),
            "DescribeGeneralResourceQuotas" => self.describe_quotas(call),
            "DescribeInstances" => self.describe_instances(call),
            "DescribeInstancesDeniedActions" => self.describe_denied_actions(call),
            "DescribeInstancesReturnable" => self.describe_returnable(call),
            "DescribeKeyPairs" => self.describe_keys(call),
            "DescribeModifyInstanceBundles" => self.describe_modify_bundles(call),
            "DescribeResetInstanceBlueprints" => self.describe_reset_blueprints(call),
            "DescribeSnapshots" => self.describe_snapshots(call),
            "DisassociateInstancesKeyPairs" => self.disassociate_keys(call),
            "InquirePriceRenewInstances" => self.inquire_renewal(call),
            "IsolateInstances" => self.isolate(call),
            "ModifyInstancesAttribute" => self.rename(call),
            "ModifyInstancesBundle" => self.modify_bundle(call),
            "ModifyInstancesRenewFlag" => self.modify_renew_flag(call),
            "RebootInstances" => self.reboot(call),
            "RenewInstances" => self.renew(call),
            "ResetInstance" => self.reset(call),
            "ResetInstancesPassword" => self.reset_password(call),
            "StartInstances" => self.start(call),
            "StopInstances" => self.stop(call),
            "TerminateInstances" => self.terminate(call),
            "AssumeRole" => assume_role(call, &forced.caller),
            "GetCallerIdentity" => caller_identity(call, &forced.caller),
            "DescribeResourceTags" => self.describe_resource_tags(call),
            "DescribeResourceTagsByResourceIds" => self.describe_tags_by_ids(call),
            "GetResources" => self.get_resources(call),
            "ModifyResourceTags" => self.modify_resource_tags(call),
            "TagResources" => self.tag_resources(call),
            "UnTagResources" => self.untag_resources(call),
            _ => self.catalogue_action(call),
        }
    }

    /// Counts a call. The fronts use it for calls that they refuse themselves.
    pub fn count(&mut self, service: &str, action: &str, ok: bool) {
        let action = if knows(service, action) { action } else { UNKNOWN_ACTION };
        let calls = self.calls.entry(action.to_owned()).or_default();
        *(if ok { &mut calls.ok } else { &mut calls.errors }) += 1;
        self.dirty.calls.insert(action.to_owned());
    }

    /// Calls so far, by action; those of actions that do not exist under one name.
    pub fn calls(&self) -> &BTreeMap<String, Calls> {
        &self.calls
    }

    /// All instances, in no order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.instances.values()
    }

    /// Money left.
    pub fn balance(&self) -> Amount {
        Amount(self.ledger.balance)
    }

    /// Lets everything happen that is due by `now`. Every call begins with it.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((time, id)) = self.due.first().cloned().filter(|(time, _)| *time <= now) {
            self.due.remove(&(time, id.clone()));
            if let Some(record) = self.instances.get(&id).cloned() {
                self.fall_due(record, time);
            }
        }
    }

    /// The instance `id`.
    pub(super) fn record(&self, id: &str) -> Option<&Record> {
        self.instances.get(id)
    }

    /// The instances of a region, in the default order.
    pub(super) fn region_records(&self, region: &str) -> impl Iterator<Item = &Record> {
        self.in_order(self.index.region(region), 0)
    }

    /// The instances of a region, or those of them that carry a tag: how many there are, and in the default order those
    /// behind the first `offset`.
    pub(super) fn listing(
        &self,
        region: &str,
        tag: Option<(&str, &str)>,
        offset: usize,
    ) -> (usize, impl Iterator<Item = &Record>) {
        let listing = match tag {
            None => self.index.region(region),
            Some((key, value)) => self.index.tagged(region, key, value),
        };
        (listing.map_or(0, Listing::len), self.in_order(listing, offset))
    }

    fn in_order<'a>(&'a self, listing: Option<&'a Listing>, offset: usize) -> impl Iterator<Item = &'a Record> {
        listing
            .into_iter()
            .flat_map(move |listing| listing.values().skip(offset))
            .filter_map(|id| self.instances.get(id))
    }

    /// Stores an instance, new or changed.
    pub(super) fn put(&mut self, record: Record) {
        self.index.replace(self.instances.get(&record.id), &record);
        self.forget(&record.id);
        self.dirty.instances.insert(record.id.clone());
        if let Some(time) = record.wakes() {
            self.due.insert((time, record.id.clone()));
        }
        if record.counts() {
            *self.used.entry(bundle_kind(&self.settings, &record)).or_default() += 1;
        }
        self.instances.insert(record.id.clone(), record);
    }

    /// Ends an instance.
    pub(super) fn remove(&mut self, id: &str) {
        self.detach_disks(id);
        if let Some(record) = self.instances.get(id) {
            self.index.remove(record);
        }
        self.forget(id);
        self.dirty.instances.insert(id.to_owned());
    }

    /// All data disks, in order of their ids.
    pub fn disks(&self) -> impl Iterator<Item = &DataDisk> {
        self.disks.values()
    }

    /// Stores a data disk, new or changed.
    pub(super) fn put_disk(&mut self, disk: DataDisk) {
        self.dirty.disks.insert(disk.id.clone());
        self.disks.insert(disk.id.clone(), disk);
    }

    /// Takes an instance out of what is due and what is counted.
    fn forget(&mut self, id: &str) {
        let Some(record) = self.instances.remove(id) else { return };
        if let Some(time) = record.wakes() {
            self.due.remove(&(time, record.id.clone()));
        }
        if record.counts()
            && let Some(used) = self.used.get_mut(&bundle_kind(&self.settings, &record))
        {
            *used = used.saturating_sub(1);
        }
    }

    /// How many more instances of a bundle type the quota admits.
    pub(super) fn quota_left(&self, kind: &str) -> u32 {
        self.settings.quota.saturating_sub(self.used.get(kind).copied().unwrap_or(0))
    }

    /// Pays an amount; a negative one comes back.
    pub(super) fn pay(&mut self, amount: i64) {
        self.ledger.balance = self.ledger.balance.saturating_sub(amount);
        self.dirty.ledger = true;
    }

    /// Whether the balance has `amount`.
    ///
    /// # Errors
    /// `FailedOperation.InsufficientBalance`.
    pub(super) fn can_pay(&self, amount: i64) -> Result<(), ApiError> {
        if amount <= self.ledger.balance {
            return Ok(());
        }
        Err(wrong("FailedOperation.InsufficientBalance", "The balance of the account is insufficient."))
    }

    /// How many instances may still be returned, if there is a limit.
    pub(super) fn returns_left(&self) -> Option<u64> {
        self.settings.returns.map(|limit| limit.saturating_sub(self.ledger.returned))
    }

    /// Counts returned instances.
    pub(super) fn count_returns(&mut self, count: u64) {
        self.ledger.returned = self.ledger.returned.saturating_add(count);
        self.dirty.ledger = true;
    }

    /// Whether the operations that the present call begins will fail.
    pub(super) fn operations_fail(&self) -> bool {
        self.operations_fail
    }

    /// The number of the next instance.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.dirty.ledger = true;
        let serial = self.ledger.serial;
        self.ledger.serial = serial.saturating_add(1);
        serial
    }

    /// Whose turn it is among `count` zones of a region.
    pub(super) fn next_zone(&mut self, region: &str, count: usize) -> usize {
        self.dirty.ledger = true;
        let turn = self.ledger.zone_turn.entry(region.to_owned()).or_default();
        let index = *turn % (count.max(1) as u64);
        *turn = turn.wrapping_add(1);
        usize::try_from(index).unwrap_or(0)
    }

    /// The next number of the generator (splitmix64).
    pub(super) fn random(&mut self) -> u64 {
        self.dirty.ledger = true;
        self.ledger.random.next_u64()
    }

    /// `prefix` and eight of `[0-9a-z]`.
    pub(super) fn random_id(&mut self, prefix: &str) -> String {
        let mut number = self.random();
        let mut id = prefix.to_owned();
        for _ in 0..8 {
            id.push(char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]));
            number /= 36;
        }
        id
    }

    /// A purchase under `token` that is still remembered.
    pub(super) fn token(&self, token: &str) -> Option<&TokenRecord> {
        self.tokens.get(token)
    }

    /// Remembers a purchase.
    pub(super) fn remember(&mut self, token: &str, record: TokenRecord) {
        self.dirty.tokens.insert(token.to_owned());
        self.tokens.insert(token.to_owned(), record);
    }

    /// What has changed since the last time.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut changes = Vec::new();
        for id in dirty.instances {
            changes.push(match self.instances.get(&id) {
                Some(record) => Change::Instance(Box::new(record.clone())),
                None => Change::Removed(id),
            });
        }
        changes.extend(dirty.disks.iter().filter_map(|id| Some(Change::Disk(Box::new(self.disks.get(id)?.clone())))));
        for token in dirty.tokens {
            if let Some(record) = self.tokens.get(&token) {
                changes.push(Change::Token(token, record.clone()));
            }
        }
        if dirty.ledger {
            changes.push(Change::Ledger(self.ledger.clone()));
        }
        for action in dirty.calls {
            let calls = self.calls.get(&action).copied().unwrap_or_default();
            changes.push(Change::Calls(action, calls));
        }
        changes
    }

    /// Everything, as changes to a new account. Takes nothing away.
    pub fn snapshot(&self) -> Vec<Change> {
        let mut ids: Vec<_> = self.instances.keys().collect();
        ids.sort_unstable();
        let instances = ids.into_iter().filter_map(|id| self.instances.get(id));
        let mut changes: Vec<_> = instances.map(|record| Change::Instance(Box::new(record.clone()))).collect();
        changes.extend(self.disks.values().map(|disk| Change::Disk(Box::new(disk.clone()))));
        let tokens: BTreeMap<_, _> = self.tokens.iter().collect();
        changes.extend(tokens.into_iter().map(|(token, record)| Change::Token(token.clone(), record.clone())));
        changes.push(Change::Ledger(self.ledger.clone()));
        changes.extend(self.calls.iter().map(|(action, calls)| Change::Calls(action.clone(), *calls)));
        changes
    }

    /// Repeats a change that a store has kept.
    pub fn apply_change(&mut self, change: Change) {
        let dirty = std::mem::take(&mut self.dirty);
        match change {
            Change::Instance(record) => self.put(*record),
            Change::Removed(id) => self.remove(&id),
            Change::Disk(disk) => self.put_disk(*disk),
            Change::Token(token, record) => drop(self.tokens.insert(token, record)),
            Change::Ledger(ledger) => self.ledger = ledger,
            Change::Calls(action, calls) => drop(self.calls.insert(action, calls)),
        }
        self.dirty = dirty;
    }
}

fn bundle_kind(settings: &Settings, record: &Record) -> String {
    catalogue::find_bundle(settings.site, &record.bundle).map_or("", |bundle| bundle.kind).to_owned()
}

/// The answer of actions that only give a request id.
pub(super) fn done() -> Answer {
    Ok(Value::Object(serde_json::Map::new()))
}

/// The error for an id that the account does not have.
pub(super) fn not_found(id: &str) -> ApiError {
    wrong("ResourceNotFound.InstanceIdNotFound", format!("The instance `{id}` does not exist."))
}
