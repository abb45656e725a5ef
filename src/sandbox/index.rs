//! In which order instances are listed: all of a region, and those of a region that carry a tag. A fleet is listed by its tag,
//! a page at a time, so neither is to walk over everything for each page.

use super::record::{OrderKey, Record};
use std::collections::{BTreeMap, HashMap};

/// Ids in the order of a listing.
pub type Listing = BTreeMap<OrderKey, String>;

/// The listings of an account.
#[derive(Debug, Default)]
pub struct Index {
    regions: HashMap<String, Region>,
}

#[derive(Debug, Default)]
struct Region {
    all: Listing,
    /// By key, then by value.
    tagged: HashMap<String, HashMap<String, Listing>>,
}

impl Index {
    /// Takes an instance in, in the place of what it was before.
    pub fn replace(&mut self, before: Option<&Record>, record: &Record) {
        if let Some(before) = before {
            let place = |record: &Record| record.order_key();
            if place(before) == place(record) && before.region == record.region && before.tags == record.tags {
                return;
            }
            self.remove(before);
        }
        let region = self.regions.entry(record.region.clone()).or_default();
        region.all.insert(record.order_key(), record.id.clone());
        for (key, value) in &record.tags {
            let of_key = region.tagged.entry(key.clone()).or_default();
            of_key.entry(value.clone()).or_default().insert(record.order_key(), record.id.clone());
        }
    }

    /// Takes an instance out.
    pub fn remove(&mut self, record: &Record) {
        let Some(region) = self.regions.get_mut(&record.region) else { return };
        let place = record.order_key();
        region.all.remove(&place);
        for (key, value) in &record.tags {
            let Some(of_key) = region.tagged.get_mut(key) else { continue };
            let Some(listing) = of_key.get_mut(value) else { continue };
            listing.remove(&place);
            if listing.is_empty() {
                of_key.remove(value);
            }
        }
    }

    /// The instances of a region.
    pub fn region(&self, region: &str) -> Option<&Listing> {
        self.regions.get(region).map(|region| &region.all)
    }

    /// Those of them that carry a tag.
    pub fn tagged(&self, region: &str, key: &str, value: &str) -> Option<&Listing> {
        self.regions.get(region)?.tagged.get(key)?.get(value)
    }
}
