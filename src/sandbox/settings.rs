//! How the sandbox's account behaves. What the service does not document is a setting, with the likeliest answer as
//! the default.

use crate::model::Site;
use crate::model::money::Amount;
use crate::model::time::parse_duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How the account behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which catalogue is for sale and which request fields exist.
    pub site: Site,
    /// From the purchase to RUNNING.
    pub boot_ms: u64,
    /// Instances that each bundle type admits.
    pub quota: u32,
    /// Money in the account, in the currency of the site; decimal text.
    pub balance: String,
    /// Requests a second by action, where other than documented. 0 lifts the limit.
    pub rate_limits: BTreeMap<String, u32>,
    /// How long each answer takes. The fronts wait, not the account.
    pub latency_ms: u64,
    /// How long a client token is remembered.
    pub token_memory: TokenMemory,
    /// What a known token with other parameters does.
    pub mismatch: Mismatch,
    /// Whether a known token is answered before or after the checks of quota, stock and balance.
    pub order: CheckOrder,
    /// Names of instances bought together.
    pub batch_names: BatchNames,
    /// How long a new id is not listed.
    pub visibility_delay_ms: u64,
    /// Whether an instance may be renamed while it is created.
    pub rename_while_pending: bool,
    /// Share of instances that end as LAUNCH_FAILED, 0 to 1.
    pub launch_failed: f64,
    /// From the return to SHUTDOWN.
    pub isolate_ms: u64,
    /// From the destruction until the id is gone.
    pub terminate_ms: u64,
    /// How long any other operation on an instance takes.
    pub operation_ms: u64,
    /// The same by action, where it differs.
    pub operation_times: BTreeMap<String, u64>,
    /// Whether a changed name or renew flag shows as the latest operation.
    pub quick_operations: bool,
    /// Power state after an operation that shuts a running instance down: upgrade, reinstallation, password, keys.
    pub after_shutdown: Afterwards,
    /// Power state of an instance that a renewal brings back.
    pub after_recovery: Afterwards,
    /// What binding key pairs does to those that are bound.
    pub bind_keys: BindKeys,
    /// Instances that may still be returned, if there is a limit.
    pub returns: Option<u64>,
    /// Seed of ids and chances.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site: Site::China,
            boot_ms: 2000,
            quota: 20_000,
            balance: "1000000000.00".to_owned(),
            rate_limits: BTreeMap::new(),
            latency_ms: 0,
            token_memory: TokenMemory::Forever,
            mismatch: Mismatch::Replay,
            order: CheckOrder::TokenFirst,
            batch_names: BatchNames::Suffix,
            visibility_delay_ms: 0,
            rename_while_pending: false,
            launch_failed: 0.0,
            isolate_ms: 500,
            terminate_ms: 500,
            operation_ms: 1000,
            operation_times: BTreeMap::new(),
            quick_operations: true,
            after_shutdown: Afterwards::Running,
            after_recovery: Afterwards::Running,
            bind_keys: BindKeys::Replace,
            returns: None,
            seed: 0,
        }
    }
}

impl Settings {
    /// The balance, or `None` if the text is not an amount of zero or more.
    pub fn balance_amount(&self) -> Option<Amount> {
        Amount::parse(&self.balance).filter(|amount| amount.0 >= 0)
    }

    /// How long an operation takes.
    pub fn operation_time(&self, action: &str) -> Duration {
        Duration::from_millis(self.operation_times.get(action).copied().unwrap_or(self.operation_ms))
    }

    /// Says what is wrong with the settings.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(&self) -> Result<(), String> {
        if self.balance_amount().is_none() {
            return Err(format!("balance `{}` is not an amount such as 1000.00", self.balance));
        }
        if !(0.0..=1.0).contains(&self.launch_failed) {
            return Err(format!("launch_failed {} is not a share from 0 to 1", self.launch_failed));
        }
        Ok(())
    }
}

/// How long a client token is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenMemory {
    /// Always.
    Forever,
    /// So many milliseconds from the purchase.
    For(u64),
    /// Not at all: each call buys.
    None,
}

impl fmt::Display for TokenMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenMemory::Forever => f.write_str("forever"),
            TokenMemory::None => f.write_str("none"),
            TokenMemory::For(ms) if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
            TokenMemory::For(ms) => write!(f, "{ms}ms"),
        }
    }
}

impl FromStr for TokenMemory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match text {
            "forever" => Ok(TokenMemory::Forever),
            "none" => Ok(TokenMemory::None),
            _ => parse_duration(text)
                .map(|time| TokenMemory::For(millis(time)))
                .ok_or_else(|| format!("`{text}` is neither forever, none nor a time such as 30s")),
        }
    }
}

impl TryFrom<String> for TokenMemory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TokenMemory> for String {
    fn from(value: TokenMemory) -> String {
        value.to_string()
    }
}

/// An enum of words: one spelling for the command line and for files.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($name::$variant => $word,)* })
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($name::$variant),)*
                    _ => Err(format!("`{text}` is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words! {
    /// What a known token with other parameters does.
    Mismatch {
        /// Answers the ids of the first purchase.
        Replay = "replay",
        /// Is an error.
        Error = "error",
        /// Buys anew, as if the token were unknown.
        Buy = "buy",
    }
}

words! {
    /// When a known token is looked up.
    CheckOrder {
        /// Before quota, stock and balance: a repeat is answered even if nothing could be bought any more.
        TokenFirst = "token-first",
        /// After them: a repeat can fail for want of quota.
        QuotaFirst = "quota-first",
    }
}

words! {
    /// Names of instances bought together.
    BatchNames {
        /// All bear the name as given.
        Same = "same",
        /// `web1`, `web2`: as the console's guide says.
        Suffix = "suffix",
        /// `web-1`, `web-2`.
        Dash = "dash",
    }
}

words! {
    /// Power state of an instance after something that no document settles.
    Afterwards {
        /// It runs.
        Running = "running",
        /// It stays shut down.
        Stopped = "stopped",
    }
}

words! {
    /// What binding key pairs does to those that are bound.
    BindKeys {
        /// They are unbound: as the action's text says.
        Replace = "replace",
        /// They stay.
        Add = "add",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for text in ["forever", "30s", "1500ms", "none"] {
            assert_eq!(text.parse::<TokenMemory>().unwrap().to_string(), text);
        }
        assert_eq!("2m".parse(), Ok(TokenMemory::For(120_000)));
        assert!("soon".parse::<TokenMemory>().is_err());
        for text in ["replay", "error", "buy"] {
            assert_eq!(text.parse::<Mismatch>().unwrap().to_string(), text);
        }
        for text in ["token-first", "quota-first"] {
            assert_eq!(text.parse::<CheckOrder>().unwrap().to_string(), text);
        }
        for text in ["same", "suffix", "dash"] {
            assert_eq!(text.parse::<BatchNames>().unwrap().to_string(), text);
        }
        for text in ["running", "stopped"] {
            assert_eq!(text.parse::<Afterwards>().unwrap().to_string(), text);
        }
        for text in ["replace", "add"] {
            assert_eq!(text.parse::<BindKeys>().unwrap().to_string(), text);
        }
        assert_eq!("x".parse::<BatchNames>().unwrap_err(), "`x` is none of same, suffix, dash");
    }

    #[test]
    fn settings_read_back_and_refuse_what_they_do_not_know() {
        let settings = Settings { token_memory: TokenMemory::For(30_000), ..Settings::default() };
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains("\"30s\"") && text.contains("\"token-first\""), "{text}");
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(serde_json::from_str::<Settings>(r#"{"boot": 1}"#).is_err());
    }

    #[test]
    fn amounts() {
        let with = |text: &str| Settings { balance: text.to_owned(), ..Settings::default() };
        assert_eq!(with("12.5").balance_amount(), Some(Amount(125_000)));
        assert_eq!(with("0").balance_amount(), Some(Amount(0)));
        for bad in ["", ".5", "-1", "99999999999999999999", "1e3"] {
            assert!(with(bad).check().is_err(), "{bad}");
        }
        assert!(Settings { launch_failed: 1.5, ..Settings::default() }.check().is_err());
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
