//! What goes wrong on demand: faults as data, the same ones each time for the same seed.
//!
//! A fault is a text `KIND:ACTION[:WHEN]`. `ACTION` is an action's name or `*`. `WHEN` is a probability (`0.3`), `n=5` (the
//! first five calls of each action that it names) or `at=2` (the second call alone); without it, every call. A dry run of a
//! purchase is no call of `CreateInstances` but of `DryRun`; only what holds for every purchase (`sold-out` and `denied`
//! without WHEN) meets both. Kinds:
//!
//! | Kind | What happens |
//! |---|---|
//! | `lost-before`, `lost-after` | the connection ends without an answer, before or after the call took effect |
//! | `status-before`, `status-after` | the answer is HTTP 502 |
//! | `internal-before`, `internal-after` | the answer is the API's `InternalError` |
//! | `cut=BYTES` | the connection ends after so many bytes of the answer, its head included (120); `cut=any` draws the number |
//! | `delay=TIME` | the answer is late (1s) |
//! | `throttle` | `RequestLimitExceeded` |
//! | `sold-out` | `ResourcesSoldOut.BundleSoldOut`, of CreateInstances |
//! | `refuse-token` | the ClientToken is refused for ever as sold out, although a dry run passes |
//! | `launch-failed` | the new instances end in `LAUNCH_FAILED` |
//! | `partial=COUNT` | no more than so many of the instances come (1) |
//! | `denied` | there is no permission for the action |
//! | `operation-failed` | the operation that the call begins ends as FAILED |

use super::actions::{self, DRY_RUN};
use crate::model::time::parse_duration;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

const KINDS: &str = "lost-before, lost-after, status-before, status-after, internal-before, internal-after, cut, delay, \
                     throttle, sold-out, refuse-token, launch-failed, partial, denied, operation-failed";

/// An answer to a purchase with its head is about as long; `cut=any` draws from as many bytes.
const CUT_ANYWHERE: u64 = 400;

/// How an answer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection ends without an answer.
    Lost,
    /// HTTP 502.
    Status,
    /// `InternalError` in an HTTP 200.
    Internal,
    /// The connection ends after so many bytes of the answer.
    Cut(u64),
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The call has no effect and no proper answer.
    Before(Failure),
    /// The call has its effect and no proper answer.
    After(Failure),
    /// The call has its effect, and the connection ends somewhere in the answer.
    CutAnywhere,
    /// The answer is late.
    Delay(Duration),
    /// Turned away for its rate.
    Throttle,
    /// No stock.
    SoldOut,
    /// The token is refused from now on.
    RefuseToken,
    /// New instances fail to launch.
    LaunchFailed,
    /// At most so many instances are created.
    Partial(u32),
    /// No permission.
    Denied,
    /// The operation that the call begins fails.
    OperationFailed,
}

/// On which calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// On every one.
    Always,
    /// On each with this probability.
    Share(f64),
    /// On the first so many of an action.
    First(u64),
    /// On this one of an action, counted from 1.
    At(u64),
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Of which action; `*` for all.
    pub action: String,
    /// On which calls.
    pub when: When,
}

/// A text that is no fault, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a fault: {why}")]
pub struct FaultError {
    /// What was read.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        read(text).map_err(|why| FaultError { text: text.to_owned(), why })
    }
}

impl Fault {
    /// Whether it is about calls of `action`. A dry run says what purchases would meet at any time, and is none of them.
    fn meets(&self, action: &str) -> bool {
        let holds_for_dry_runs = || {
            let lasting = matches!(self.kind, Kind::SoldOut | Kind::Denied) && self.when == When::Always;
            action == DRY_RUN && self.action == "CreateInstances" && lasting
        };
        self.action == "*" || self.action == action || holds_for_dry_runs()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, action) = (self.kind, &self.action);
        match self.when {
            When::Always => write!(f, "{kind}:{action}"),
            When::Share(share) => write!(f, "{kind}:{action}:{share}"),
            When::First(count) => write!(f, "{kind}:{action}:n={count}"),
            When::At(nth) => write!(f, "{kind}:{action}:at={nth}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Before(Failure::Lost) => f.write_str("lost-before"),
            Kind::Before(Failure::Status) => f.write_str("status-before"),
            Kind::Before(Failure::Internal) => f.write_str("internal-before"),
            Kind::After(Failure::Lost) => f.write_str("lost-after"),
            Kind::After(Failure::Status) => f.write_str("status-after"),
            Kind::After(Failure::Internal) => f.write_str("internal-after"),
            Kind::Before(Failure::Cut(bytes)) | Kind::After(Failure::Cut(bytes)) => write!(f, "cut={bytes}"),
            Kind::CutAnywhere => f.write_str("cut=any"),
            Kind::Delay(time) => write!(f, "delay={}ms", time.as_millis()),
            Kind::Throttle => f.write_str("throttle"),
            Kind::SoldOut => f.write_str("sold-out"),
            Kind::RefuseToken => f.write_str("refuse-token"),
            Kind::LaunchFailed => f.write_str("launch-failed"),
            Kind::Partial(count) => write!(f, "partial={count}"),
            Kind::Denied => f.write_str("denied"),
            Kind::OperationFailed => f.write_str("operation-failed"),
        }
    }
}

fn read(text: &str) -> Result<Fault, String> {
    let mut parts = text.trim().split(':');
    let kind = parts.next().unwrap_or_default();
    let Some(action) = parts.next() else {
        return Err("it reads KIND:ACTION[:WHEN], as in `lost-after:CreateInstances:0.3`".to_owned());
    };
    let when = parts.next();
    if parts.next().is_some() {
        return Err("it has more than three parts".to_owned());
    }
    let fault =
        Fault { kind: read_kind(kind)?, action: read_action(action)?, when: when.map_or(Ok(When::Always), read_when)? };
    let of_purchase = matches!(fault.kind, Kind::SoldOut | Kind::RefuseToken | Kind::LaunchFailed | Kind::Partial(_));
    let of_dry_run = fault.kind == Kind::SoldOut && fault.action == DRY_RUN;
    if of_purchase && fault.action != "CreateInstances" && !of_dry_run {
        return Err(format!("`{}` is for CreateInstances alone", fault.kind));
    }
    let of_operation = fault.kind == Kind::OperationFailed && fault.action != "*";
    if of_operation && !actions::OPERATIONS.contains(&fault.action.as_str()) {
        return Err(format!("`{}` is for *, {}", fault.kind, actions::OPERATIONS.join(", ")));
    }
    Ok(fault)
}

fn read_kind(text: &str) -> Result<Kind, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let plain = |kind: Kind| if value.is_none() { Ok(kind) } else { Err(format!("`{name}` takes no value")) };
    match name {
        "lost-before" => plain(Kind::Before(Failure::Lost)),
        "lost-after" => plain(Kind::After(Failure::Lost)),
        "status-before" => plain(Kind::Before(Failure::Status)),
        "status-after" => plain(Kind::After(Failure::Status)),
        "internal-before" => plain(Kind::Before(Failure::Internal)),
        "internal-after" => plain(Kind::After(Failure::Internal)),
        "throttle" => plain(Kind::Throttle),
        "sold-out" => plain(Kind::SoldOut),
        "refuse-token" => plain(Kind::RefuseToken),
        "launch-failed" => plain(Kind::LaunchFailed),
        "cut" if value == Some("any") => Ok(Kind::CutAnywhere),
        "denied" => plain(Kind::Denied),
        "operation-failed" => plain(Kind::OperationFailed),
        "cut" => {
            let bytes = value.unwrap_or("120");
            bytes
                .parse()
                .map(|bytes| Kind::After(Failure::Cut(bytes)))
                .map_err(|_| format!("`{bytes}` is neither a number of bytes nor `any`"))
        }
        "delay" => {
            let time = value.unwrap_or("1s");
            parse_duration(time)
                .map(Kind::Delay)
                .ok_or_else(|| format!("`{time}` is not a time such as `300ms` or `3s`"))
        }
        "partial" => {
            let count = value.unwrap_or("1");
            count.parse().map(Kind::Partial).map_err(|_| format!("`{count}` is not a number of instances"))
        }
        _ => Err(format!("there is no kind `{name}`; there are {KINDS}")),
    }
}

fn read_action(text: &str) -> Result<String, String> {
    if text == "*" || text == DRY_RUN || actions::named(text).is_some() {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = actions::ACTIONS.iter().map(|action| action.name).collect();
    Err(format!("there is no action `{text}`; there are *, {}", names.join(", ")))
}

fn read_when(text: &str) -> Result<When, String> {
    let positive = |digits: &str| match digits.parse() {
        Ok(0) | Err(_) => Err(format!("`{text}` needs a whole number from 1")),
        Ok(number) => Ok(number),
    };
    if let Some(digits) = text.strip_prefix("n=") {
        return positive(digits).map(When::First);
    }
    if let Some(digits) = text.strip_prefix("at=") {
        return positive(digits).map(When::At);
    }
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(When::Share(share)),
        _ => Err(format!("`{text}` is none of: a probability from 0 to 1, n=COUNT, at=NUMBER")),
    }
}

/// What goes wrong with one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How late the answer is.
    pub delay: Duration,
    /// Turned away for its rate.
    pub throttle: bool,
    /// Fails without effect.
    pub before: Option<Failure>,
    /// Fails after the effect.
    pub after: Option<Failure>,
    /// No stock.
    pub sold_out: bool,
    /// The token is refused from now on.
    pub refuse_token: bool,
    /// The new instances fail to launch.
    pub launch_failed: bool,
    /// At most so many are created.
    pub partial: Option<u32>,
    /// There is no permission.
    pub denied: bool,
    /// The operation that the call begins will fail.
    pub operation_failed: bool,
    /// The kinds that fired, for the record.
    pub fired: Vec<String>,
}

/// All faults of a sandbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Where chance starts.
    pub seed: u64,
    /// In the order in which they were given. Of two that contradict each other the first wins.
    pub list: Vec<Fault>,
}

impl Faults {
    /// These faults, with chance starting at `seed`.
    pub fn new(seed: u64, list: Vec<Fault>) -> Self {
        Self { seed, list }
    }

    /// Reads a fault file: a YAML list of texts `KIND:ACTION[:WHEN]` or of maps with `kind`, `action` and one of `p`, `n`, `at`.
    ///
    /// # Errors
    /// Says what is wrong with which entry.
    pub fn parse_file(text: &str) -> Result<Vec<Fault>, FaultError> {
        let wrong = |why: String| FaultError { text: "the fault file".to_owned(), why };
        let document: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let entries = match document {
            serde_yaml::Value::Null => Vec::new(),
            serde_yaml::Value::Sequence(entries) => entries,
            _ => return Err(wrong("it must be a list".to_owned())),
        };
        let read_entry = |(index, value): (usize, serde_yaml::Value)| {
            let entry: Entry =
                serde_yaml::from_value(value).map_err(|error| wrong(format!("entry {}: {error}", index + 1)))?;
            entry.text().map_err(|why| wrong(format!("entry {}: {why}", index + 1)))?.parse()
        };
        entries.into_iter().enumerate().map(read_entry).collect()
    }

    /// What goes wrong with the `nth` call of `action`, counted from 1. The same question always has the same answer.
    pub fn decide(&self, action: &str, nth: u64) -> Decision {
        let mut decision = Decision::default();
        for (index, fault) in self.list.iter().enumerate() {
            if fault.meets(action) && self.fires(index, fault.when, action, nth) {
                let place = u64::from(self.draw("cut", index, action, nth)) % CUT_ANYWHERE;
                decision.add(fault.kind, place);
            }
        }
        decision
    }

    /// The same number each time for the same seed, fault and call.
    fn draw(&self, what: &str, index: usize, action: &str, nth: u64) -> u32 {
        let digest = Sha256::digest(format!("{what}{} {index} {action} {nth}", self.seed));
        digest.iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte))
    }

    fn fires(&self, index: usize, when: When, action: &str, nth: u64) -> bool {
        match when {
            When::Always => true,
            When::First(count) => nth <= count,
            When::At(number) => nth == number,
            When::Share(share) => {
                let drawn = self.draw("", index, action, nth);
                f64::from(drawn) / (f64::from(u32::MAX) + 1.0) < share
            }
        }
    }
}

impl Decision {
    /// `place` is where `cut=any` cuts.
    fn add(&mut self, kind: Kind, place: u64) {
        match kind {
            Kind::CutAnywhere => {
                self.after.get_or_insert(Failure::Cut(place));
            }
            Kind::Before(failure) => {
                self.before.get_or_insert(failure);
            }
            Kind::After(failure) => {
                self.after.get_or_insert(failure);
            }
            Kind::Delay(time) => self.delay = self.delay.saturating_add(time),
            Kind::Throttle => self.throttle = true,
            Kind::SoldOut => self.sold_out = true,
            Kind::RefuseToken => self.refuse_token = true,
            Kind::LaunchFailed => self.launch_failed = true,
            Kind::Denied => self.denied = true,
            Kind::OperationFailed => self.operation_failed = true,
            Kind::Partial(count) => {
                self.partial.get_or_insert(count);
            }
        }
        self.fired.push(kind.to_string());
    }
}

/// One entry of a fault file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Text(String),
    Map(EntryMap),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryMap {
    kind: String,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    p: Option<f64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    at: Option<u64>,
}

impl Entry {
    fn text(self) -> Result<String, String> {
        let map = match self {
            Entry::Text(text) => return Ok(text),
            Entry::Map(map) => map,
        };
        let head = format!("{}:{}", map.kind, map.action.as_deref().unwrap_or("*"));
        match (map.p, map.n, map.at) {
            (None, None, None) => Ok(head),
            (Some(share), None, None) => Ok(format!("{head}:{share}")),
            (None, Some(count), None) => Ok(format!("{head}:n={count}")),
            (None, None, Some(nth)) => Ok(format!("{head}:at={nth}")),
            _ => Err("of `p`, `n` and `at` only one may be given".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        Faults::new(7, texts.iter().map(|text| text.parse().expect("a fault")).collect())
    }

    #[test]
    fn texts() {
        for text in [
            "lost-before:*",
            "lost-after:CreateInstances:0.3",
            "throttle:*:n=5",
            "status-after:DescribeInstances:at=2",
            "internal-before:DescribeZones:1",
            "cut=10:DescribeBundles",
            "cut=any:CreateInstances:0.5",
            "delay=3000ms:DescribeInstances:0.1",
            "partial=2:CreateInstances",
            "sold-out:CreateInstances",
            "denied:ModifyResourceTags",
            "operation-failed:RenewInstances:at=1",
        ] {
            assert_eq!(text.parse::<Fault>().map(|fault| fault.to_string()), Ok(text.to_owned()));
        }
        for (text, why) in [
            ("lost-after", "KIND:ACTION[:WHEN]"),
            ("gone:*", "no kind `gone`"),
            ("throttle:DescribeInstance", "no action `DescribeInstance`"),
            ("throttle:*:1.5", "a probability from 0 to 1"),
            ("throttle:*:n=0", "whole number from 1"),
            ("throttle=3:*", "takes no value"),
            ("delay=soon:*", "not a time"),
            ("sold-out:*", "CreateInstances alone"),
            ("operation-failed:CreateInstances", "is for *, AssociateInstancesKeyPairs"),
            ("throttle:*:1:2", "more than three"),
            ("", "KIND:ACTION"),
        ] {
            let error = text.parse::<Fault>().expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn decisions_repeat_and_follow_their_share() {
        let faults = faults(&["lost-after:CreateInstances:0.3"]);
        let fired = |nth: u64| faults.decide("CreateInstances", nth).after == Some(Failure::Lost);
        let count = (1..=2000).filter(|nth| fired(*nth)).count();
        assert!((500..700).contains(&count), "{count}");
        assert!((1..=2000).all(|nth| fired(nth) == fired(nth)));
        assert_eq!(faults.decide("DescribeInstances", 1), Decision::default());
    }

    #[test]
    fn cuts_fall_anywhere_and_at_the_same_place_again() {
        let faults = faults(&["cut=any:CreateInstances"]);
        let places = |nth: u64| match faults.decide("CreateInstances", nth).after {
            Some(Failure::Cut(bytes)) => bytes,
            other => panic!("{other:?}"),
        };
        let drawn: std::collections::BTreeSet<u64> = (1..=500).map(places).collect();
        assert!(drawn.len() > 200 && drawn.iter().all(|place| *place < CUT_ANYWHERE), "{drawn:?}");
        assert_eq!(places(7), places(7));
        assert_eq!(faults.decide("CreateInstances", 1).fired, ["cut=any"]);
    }

    #[test]
    fn first_and_at() {
        let faults =
            faults(&["throttle:*:n=2", "cut:DescribeZones:at=3", "delay=2s:DescribeZones", "delay:DescribeZones"]);
        assert!(faults.decide("CreateInstances", 2).throttle);
        assert!(!faults.decide("CreateInstances", 3).throttle);
        let decision = faults.decide("DescribeZones", 3);
        assert_eq!((decision.after, decision.delay), (Some(Failure::Cut(120)), Duration::from_secs(3)));
        assert_eq!(decision.fired, ["cut=120", "delay=2000ms", "delay=1000ms"]);
    }

    #[test]
    fn files() {
        let text = "- lost-after:CreateInstances:0.3\n- {kind: throttle, n: 5}\n- {kind: cut=9, action: DescribeZones, at: 1}\n";
        let shown: Vec<String> = Faults::parse_file(text).expect("faults").iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["lost-after:CreateInstances:0.3", "throttle:*:n=5", "cut=9:DescribeZones:at=1"]);
        assert_eq!(Faults::parse_file(""), Ok(Vec::new()));
        for (text, why) in [
            ("a: b", "must be a list"),
            ("- 3", "entry 1"),
            ("- throttle:*\n- {kind: throttle, p: 1, n: 2}", "entry 2: of `p`"),
            ("- gone:*", "no kind"),
            ("- [", "line"),
        ] {
            let error = Faults::parse_file(text).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_dry_run_is_no_purchase_and_tells_what_holds_for_all() {
        let lasting = faults(&["sold-out:CreateInstances", "denied:CreateInstances"]).decide("DryRun", 1);
        assert!(lasting.sold_out && lasting.denied);
        let passing = ["sold-out:CreateInstances:at=1", "sold-out:CreateInstances:n=9", "lost-after:CreateInstances"];
        assert_eq!(faults(&passing).decide("DryRun", 1), Decision::default());
        let own = faults(&["sold-out:DryRun:at=2"]);
        assert!(own.decide("DryRun", 2).sold_out && !own.decide("CreateInstances", 2).sold_out);
        assert!(faults(&["throttle:*"]).decide("DryRun", 1).throttle);
    }
}
