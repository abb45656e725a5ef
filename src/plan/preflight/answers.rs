//! What the cloud answered, as far as it did.

use super::questions::{PriceKey, Questions};
use crate::model::InstanceId;
use crate::model::money::Amount;
use crate::observe::catalogue::BundleSize;
use std::collections::BTreeMap;

/// What was asked, or why it is not known.
pub type Known<T> = Result<T, String>;

/// All answers. What was not asked is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// What purchases cost.
    pub prices: BTreeMap<PriceKey, Known<Price>>,
    /// What more time costs, by instance.
    pub renewals: BTreeMap<InstanceId, Known<Price>>,
    /// The bundles of the region.
    pub bundles: Option<Known<BTreeMap<String, BundleFacts>>>,
    /// Which bundles can be had in a zone.
    pub in_zones: BTreeMap<String, Known<BTreeMap<String, bool>>>,
    /// The blueprints that are asked for; what does not exist is absent.
    pub blueprints: Option<Known<BTreeMap<String, BlueprintFacts>>>,
    /// The zones of the region.
    pub zones: Option<Known<Vec<String>>>,
    /// Quotas by the name of the resource.
    pub quotas: Option<Known<BTreeMap<String, QuotaFacts>>>,
    /// What a dry run said, by the batch that stands for its group: nothing, or a refusal.
    pub dry_runs: BTreeMap<usize, Known<Option<Refusal>>>,
}

/// A price as the service gives it, for all instances of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// To pay now.
    pub now: Amount,
    /// Before discount.
    pub original: Amount,
    /// How many instances it is for.
    pub count: u32,
    /// One month of all of them at the bundle's list price.
    pub month: Option<Amount>,
    /// Percent, as the service writes it; 100 is none.
    pub discount: String,
    /// CNY or USD.
    pub currency: String,
}

impl Price {
    /// One month of one of them.
    pub fn month_each(&self) -> Option<Amount> {
        self.month.map(|month| month.divided(i64::from(self.count)))
    }
}

/// A bundle for sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFacts {
    /// Such as `GENERAL_BUNDLE`; quotas are counted by it.
    pub kind: String,
    /// How large.
    pub size: BundleSize,
    /// Whether Linux runs on it, where that is reported.
    pub linux: Option<bool>,
    /// Whether Windows runs on it, where that is reported.
    pub windows: Option<bool>,
    /// Whether it can be had; what is not said to be sold out can.
    pub available: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlueprintFacts {
    /// Whether it is a Windows, where that is reported.
    pub windows: Option<bool>,
    /// GB of system disk that it needs.
    pub disk: Option<u64>,
    /// GB of memory that it needs.
    pub memory: Option<u64>,
    /// `NORMAL` where it can be used; empty where it is not reported.
    pub state: String,
}

/// A quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaFacts {
    /// What is left.
    pub available: u64,
    /// The whole.
    pub total: u64,
}

/// Why the service would refuse a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its code.
    pub code: String,
    /// Its words.
    pub message: String,
    /// What the code means and what to do, where that is known.
    pub help: Option<String>,
}

impl Answers {
    /// No answer to anything, for one reason.
    pub fn unknown(questions: &Questions, why: &str) -> Self {
        let no = || why.to_owned();
        Self {
            prices: questions.prices.iter().map(|key| (key.clone(), Err(no()))).collect(),
            renewals: questions.renewals.values().flatten().map(|id| (id.clone(), Err(no()))).collect(),
            ..Self::default()
        }
    }
}
