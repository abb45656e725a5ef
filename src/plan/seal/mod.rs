//! What a saved plan is bound to, and what of it has moved since. Pure: the values come from elsewhere.
//!
//! A saved plan is the plan document with one more key, `seal`. It has no secret in it and no time unless a limit of its age was
//! asked for, so that the same inputs give the same bytes. It is no signature: whoever can write the file can write another. It
//! guards against mistakes, and every action is planned again and compared before anything is done.

mod actions;
mod document;
mod shown;

pub use actions::{Actions, Difference, SavedChange};
pub use document::{Saved, SavedError, read, seal_document};

use super::change::given_consents;
use crate::model::address::compact;
use crate::model::digest::FieldHasher;
use crate::model::money::PriceTolerance;
use crate::model::{Address, Lineage, Site, StackName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The form of the seal that this version writes.
pub const FORMAT: u64 = 1;

/// What a saved plan has beside the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seal {
    /// Its form.
    pub format: u64,
    /// The inputs.
    pub bound: Bound,
    /// How it was asked for.
    pub asked: Asked,
    /// When it was made, if a limit of its age was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
    /// What it would do.
    pub actions: Actions,
}

/// When a plan was made and how old it may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// When.
    pub at: Timestamp,
    /// How old it may become, in milliseconds.
    pub age_max_ms: u64,
}

/// The inputs of a plan. A difference in any of them makes it stale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Version of lhprov.
    pub tool: String,
    /// Version of the plan document.
    pub plan_format: String,
    /// The fleet.
    pub stack: StackName,
    /// Which Tencent Cloud.
    pub site: Site,
    /// Its region.
    pub region: String,
    /// Endpoint URL, or `sandbox`.
    pub endpoint: String,
    /// The account, where the service told it.
    pub account: Option<String>,
    /// Manifests and what they include, by path: SHA-256 of each.
    pub manifest: BTreeMap<String, String>,
    /// Files that values name, by path; none that holds a password.
    pub files: BTreeMap<String, String>,
    /// Salted fingerprints of passwords.
    pub secrets: BTreeMap<Address, String>,
    /// Variables with their values.
    pub variables: BTreeMap<String, Value>,
    /// The state.
    pub state: BoundState,
}

/// A state file and its journal as a plan was made on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundState {
    /// None where there was no state.
    pub lineage: Option<Lineage>,
    /// Its serial.
    pub serial: u64,
    /// SHA-256 of the file.
    pub hash: Option<String>,
    /// SHA-256 of what an earlier run left open, where it did.
    pub journal: Option<String>,
}

/// How a plan was asked for: what `apply` takes from it where the command line does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `-f`.
    pub file: Vec<String>,
    /// `--state`.
    pub state: Option<String>,
    /// Variables whose values were given.
    pub given: BTreeSet<String>,
    /// `--only`.
    pub only: Vec<String>,
    /// `--skip`.
    pub skip: Vec<String>,
    /// `--replace`.
    pub replace: Vec<String>,
    /// `--destroy`.
    pub destroy: bool,
    /// `--purge`.
    pub purge: bool,
    /// `--buy-anyway`.
    pub buy_anyway: bool,
    /// `--confirm-gone`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm_gone: bool,
    /// `--max-destroy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_destroy: Option<u64>,
    /// `--adopt`.
    pub adopt: bool,
    /// `--allow-data-loss`.
    pub allow_data_loss: bool,
    /// `--accept-no-refund`.
    pub accept_no_refund: bool,
    /// `--accept-unknown-price`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_unknown_price: bool,
    /// `--token-ttl`, in milliseconds.
    pub token_ttl_ms: Option<u64>,
    /// `--visibility-grace`, in milliseconds.
    pub visibility_grace_ms: Option<u64>,
    /// `--price-tolerance`, in hundredths of a percent.
    #[serde(default, skip_serializing_if = "PriceTolerance::is_none")]
    pub price_tolerance: PriceTolerance,
    /// Whether the cloud was asked.
    pub refreshed: bool,
}

impl Asked {
    /// The flags of consent that the plan was made with.
    pub fn consents(&self) -> Vec<&'static str> {
        given_consents([self.allow_data_loss, self.accept_no_refund, self.accept_unknown_price, self.adopt])
    }
}

/// One input that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which, in words.
    pub input: String,
    /// From what to what, where that says something.
    pub from_to: Option<(String, String)>,
    /// Whether it says which fleet and whose it is. Then the plan is for something else, whatever its actions.
    pub is_identity: bool,
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from_to {
            Some((from, to)) => write!(f, "{}: {from} → {to}", self.input),
            None => f.write_str(&self.input),
        }
    }
}

/// The salt of a plan's fingerprints: the same for the same stack, so that the same inputs give the same bytes.
pub fn salt(stack: &StackName) -> String {
    FieldHasher::default().field("lhprov plan salt v1").field(stack.as_str()).finish()[..16].to_owned()
}

impl Made {
    /// The longest age.
    pub fn age_max(self) -> Duration {
        Duration::from_millis(self.age_max_ms)
    }
}

impl Bound {
    /// Every input that is not what it was. `ours` says that what happened to the state since was this plan's own doing.
    pub fn moved(&self, now: &Bound, ours: bool) -> Vec<Moved> {
        // Destructured, so that a new input cannot be forgotten.
        let Bound {
            tool,
            plan_format,
            stack,
            site,
            region,
            endpoint,
            account,
            manifest,
            files,
            secrets,
            variables,
            state,
        } = self;
        let mut list = Vec::new();
        let mut word = |input: &str, was: &str, is: &str, is_identity: bool| {
            if was != is {
                let from_to = Some((was.to_owned(), is.to_owned()));
                list.push(Moved { input: input.to_owned(), from_to, is_identity });
            }
        };
        word("stack", stack.as_str(), now.stack.as_str(), true);
        word("site", site.as_str(), now.site.as_str(), true);
        word("region", region, &now.region, true);
        word("endpoint", endpoint, &now.endpoint, true);
        // What either side could not learn is no difference; the state has a binding of its own.
        if let (Some(was), Some(is)) = (account, &now.account) {
            word("account", was, is, true);
        }
        word("version of lhprov", tool, &now.tool, false);
        word("plan format", plan_format, &now.plan_format, false);
        // The same texts under other paths are the same manifest.
        let texts = |files: &BTreeMap<String, String>| {
            let mut hashes: Vec<String> = files.values().cloned().collect();
            hashes.sort();
            hashes
        };
        if texts(manifest) != texts(&now.manifest) {
            by_path("manifest", manifest, &now.manifest, &mut list);
        }
        if texts(files) != texts(&now.files) {
            by_path("file", files, &now.files, &mut list);
        }
        let other = |address: &&Address| secrets.get(*address) != now.secrets.get(*address);
        let changed: BTreeSet<&Address> = secrets.keys().chain(now.secrets.keys()).filter(other).collect();
        if !changed.is_empty() {
            list.push(changed_input(format!("password of {} changed", compact(changed))));
        }
        let names: BTreeSet<&String> = variables.keys().chain(now.variables.keys()).collect();
        for name in names {
            let shown = |value: Option<&Value>| value.map_or_else(|| "not there".to_owned(), ToString::to_string);
            let (was, is) = (variables.get(name), now.variables.get(name));
            if was != is {
                let from_to = Some((shown(was), shown(is)));
                list.push(Moved { input: format!("variable `{name}`"), from_to, is_identity: false });
            }
        }
        if !ours {
            state.moved(&now.state, &mut list);
        }
        list
    }
}

fn changed_input(input: String) -> Moved {
    Moved { input, from_to: None, is_identity: false }
}

fn by_path(kind: &str, was: &BTreeMap<String, String>, is: &BTreeMap<String, String>, list: &mut Vec<Moved>) {
    let paths: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for path in paths {
        let what = match (was.get(path), is.get(path)) {
            (Some(was), Some(is)) if was == is => continue,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "is no longer part of it",
            (None, _) => "was not part of it",
        };
        list.push(changed_input(format!("{kind} {path} {what}")));
    }
}

impl BoundState {
    fn moved(&self, now: &BoundState, list: &mut Vec<Moved>) {
        let moved = |what: &str, from: String, to: String| Moved {
            input: format!("state {what}"),
            from_to: Some((from, to)),
            is_identity: false,
        };
        match (&self.lineage, &now.lineage) {
            (None, None) => {}
            (None, Some(_)) => {
                list.push(changed_input(format!("state: there was none, and now it has serial {}", now.serial)));
            }
            (Some(_), None) => {
                list.push(changed_input(format!("state: it had serial {}, and now there is none", self.serial)));
            }
            (Some(was), Some(is)) if was != is => list.push(moved("lineage", was.to_string(), is.to_string())),
            _ if self.serial != now.serial => {
                list.push(moved("serial", self.serial.to_string(), now.serial.to_string()));
            }
            _ if self.hash != now.hash => {
                list.push(changed_input("state: its content changed under the same serial".to_owned()));
            }
            _ => {}
        }
        if self.journal != now.journal {
            list.push(changed_input(match (&self.journal, &now.journal) {
                (None, _) => "journal: a run has left something open since".to_owned(),
                (_, None) => "journal: what an earlier run left open is settled since".to_owned(),
                _ => "journal: what an earlier run left open has changed".to_owned(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bound() -> Bound {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Bound {
            tool: "0.1.0".into(),
            plan_format: "1.0".into(),
            stack: "shop".into(),
            site: Site::China,
            region: "ap-guangzhou".into(),
            endpoint: "sandbox".into(),
            account: Some("100000000001".into()),
            manifest: map(&[("a.yaml", "11"), ("b.yaml", "22")]),
            files: map(&[("init.sh", "33")]),
            secrets: [(Address::single("db"), "salt:1".to_owned()), (Address::indexed("web", 0), "salt:2".to_owned())]
                .into(),
            variables: [("env".to_owned(), json!("staging"))].into(),
            state: BoundState { lineage: Some(Lineage("l".into())), serial: 3, hash: Some("44".into()), journal: None },
        }
    }

    fn after(change: impl FnOnce(&mut Bound)) -> Vec<String> {
        let (was, mut now) = (bound(), bound());
        change(&mut now);
        was.moved(&now, false).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_input_is_named() {
        assert_eq!(after(|_| {}), Vec::<String>::new());
        let mut all = Vec::new();
        all.extend(after(|now| now.tool = "0.2.0".into()));
        all.extend(after(|now| now.plan_format = "1.1".into()));
        all.extend(after(|now| now.stack = "other".into()));
        all.extend(after(|now| now.site = Site::International));
        all.extend(after(|now| now.region = "ap-beijing".into()));
        all.extend(after(|now| now.endpoint = "https://lighthouse.tencentcloudapi.com".into()));
        all.extend(after(|now| now.account = Some("100000000002".into())));
        all.extend(after(|now| drop(now.manifest.insert("a.yaml".into(), "99".into()))));
        all.extend(after(|now| drop(now.manifest.remove("b.yaml"))));
        all.extend(after(|now| drop(now.files.insert("init.sh".into(), "99".into()))));
        all.extend(after(|now| drop(now.secrets.insert(Address::single("db"), "salt:9".into()))));
        all.extend(after(|now| drop(now.variables.insert("env".into(), json!("production")))));
        all.extend(after(|now| now.state.lineage = None));
        all.extend(after(|now| now.state.serial = 4));
        all.extend(after(|now| now.state.hash = Some("99".into())));
        all.extend(after(|now| now.state.journal = Some("99".into())));
        insta::assert_snapshot!(all.join("\n"), @r#"
        version of lhprov: 0.1.0 → 0.2.0
        plan format: 1.0 → 1.1
        stack: shop → other
        site: china → international
        region: ap-guangzhou → ap-beijing
        endpoint: sandbox → https://lighthouse.tencentcloudapi.com
        account: 100000000001 → 100000000002
        manifest a.yaml changed
        manifest b.yaml is no longer part of it
        file init.sh changed
        password of db changed
        variable `env`: "staging" → "production"
        state: it had serial 3, and now there is none
        state serial: 3 → 4
        state: its content changed under the same serial
        journal: a run has left something open since
        "#);
    }

    #[test]
    fn several_are_named_at_once_and_what_is_the_same_is_not() {
        let several = after(|now| {
            now.region = "ap-beijing".into();
            now.variables.insert("size".into(), json!(3));
            now.state.serial = 9;
        });
        assert_eq!(several.len(), 3, "{several:?}");
        // Another path to the same text, an account that nobody could tell.
        assert_eq!(after(|now| now.account = None), Vec::<String>::new());
        let moved = after(|now| {
            let text = now.manifest.remove("a.yaml").unwrap();
            now.manifest.insert("elsewhere/a.yaml".into(), text);
        });
        assert_eq!(moved, Vec::<String>::new());
        // What this plan itself did to the state is no move of it.
        let (was, mut now) = (bound(), bound());
        now.state.serial = 4;
        assert_eq!(was.moved(&now, true), []);
    }
}
