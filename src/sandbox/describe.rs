//! What the account tells about its instances and quotas.

use super::account::Account;
use super::call::{Answer, ApiError, Call};
use super::catalogue::QUOTA_NAMES;
use super::params::{Filter, Params, exclusive, wrong};
use super::record::Record;
use crate::cloud::limits::DESCRIBE_BATCH_MAX;
use crate::model::Site;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const MALFORMED: &str = "InvalidParameterValue.InstanceIdMalformed";

fn supported(name: &str) -> bool {
    let fixed = [
        "instance-name",
        "private-ip-address",
        "public-ip-address",
        "zone",
        "instance-state",
        "tag-key",
        "tag-value",
        "bundle-id",
    ];
    fixed.contains(&name) || name.strip_prefix("tag:").is_some_and(|key| !key.is_empty())
}

fn matches(record: &Record, filter: &Filter<'_>) -> bool {
    match filter.name {
        "instance-name" => filter.has(&record.name),
        "private-ip-address" => record.private_ip().is_some_and(|ip| filter.has(&ip)),
        "public-ip-address" => record.public_ip().is_some_and(|ip| filter.has(&ip)),
        "zone" => filter.has(&record.zone),
        "instance-state" => filter.has(record.state.as_str()),
        "bundle-id" => filter.has(&record.bundle),
        "tag-key" => record.tags.keys().any(|key| filter.has(key)),
        "tag-value" => record.tags.values().any(|value| filter.has(value)),
        name => {
            let value = name.strip_prefix("tag:").and_then(|key| record.tags.get(key));
            value.is_some_and(|value| filter.has(value))
        }
    }
}

fn check_addresses(filters: &[Filter<'_>]) -> Result<(), ApiError> {
    let of_addresses = filters.iter().filter(|filter| filter.name.ends_with("-ip-address"));
    match of_addresses.flat_map(|filter| &filter.values).find(|value| value.parse::<Ipv4Addr>().is_err()) {
        Some(value) => Err(wrong("InvalidParameterValue.InvalidIpFormat", format!("`{value}` is not an IP address."))),
        None => Ok(()),
    }
}

/// `Some(descending)` if the answer is to be in order of expiry.
fn by_expiry(params: &Params<'_>) -> Result<Option<bool>, ApiError> {
    let field = params.text("OrderField")?;
    let order = params.text("Order")?;
    if field.is_none() && order.is_some() {
        return Err(wrong("MissingParameter.OrderFieldRequired", "With Order, OrderField must be given."));
    }
    if let Some(other) = field.filter(|field| *field != "EXPIRED_TIME") {
        return Err(wrong("InvalidParameterValue", format!("There is no order by `{other}`.")));
    }
    Ok(field.and(Some(descending(order)?)))
}

/// Whether an `Order` is `DESC`.
pub(super) fn descending(order: Option<&str>) -> Result<bool, ApiError> {
    match order {
        None | Some("ASC") => Ok(false),
        Some("DESC") => Ok(true),
        Some(other) => Err(wrong("InvalidParameterValue", format!("`{other}` is neither ASC nor DESC."))),
    }
}

impl Account {
    /// Those of `ids` that are in the region of the call and listed, in the default order.
    pub(super) fn listed(&self, call: &Call, ids: &[&str]) -> Vec<&Record> {
        let all = ids.iter().filter_map(|id| self.record(id));
        let mut found: Vec<_> =
            all.filter(|record| record.region == call.region && record.visible <= call.now).collect();
        found.sort_by_key(|record| record.order_key());
        found
    }

    pub(super) fn describe_instances(&self, call: &Call) -> Answer {
        let site = self.settings.site;
        let mut known = vec!["InstanceIds", "Filters", "Offset", "Limit"];
        if site == Site::China {
            known.extend(["OrderField", "Order"]);
        }
        let params = Params::of_body(&call.body, &known)?;
        let ids = params.ids("InstanceIds", "lhins-", MALFORMED, DESCRIBE_BATCH_MAX)?;
        let filters = params.filters(100, supported)?;
        exclusive(&ids, &filters)?;
        check_addresses(&filters)?;
        let page = params.page()?;
        let order = by_expiry(&params)?;
        let shown = |total: usize, records: Vec<&Record>| {
            let records: Vec<Value> = records.into_iter().map(|record| record.to_json(site)).collect();
            Ok(json!({"TotalCount": total, "InstanceSet": records}))
        };
        let all_listed = self.settings.visibility_delay_ms == 0;
        if ids.is_empty() && order.is_none() && all_listed {
            let tag = match filters.as_slice() {
                [] => Some(None),
                [Filter { name, values }] => match (name.strip_prefix("tag:"), values.as_slice()) {
                    (Some(key), [value]) => Some(Some((key, *value))),
                    _ => None,
                },
                _ => None,
            };
            if let Some(tag) = tag {
                let (total, records) = self.listing(&call.region, tag, page.offset);
                return shown(total, records.take(page.limit).collect());
            }
        }
        let mut found: Vec<&Record> = if ids.is_empty() {
            let all = self.region_records(&call.region).filter(|record| record.visible <= call.now);
            all.filter(|record| filters.iter().all(|filter| matches(record, filter))).collect()
        } else {
            self.listed(call, &ids)
        };
        match order {
            Some(false) => found.sort_by_key(|record| record.expires),
            Some(true) => found.sort_by_key(|record| std::cmp::Reverse(record.expires)),
            None => {}
        }
        shown(found.len(), page.of(found))
    }

    pub(super) fn describe_quotas(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["ResourceNames"])?;
        let names = params.texts("ResourceNames")?;
        if names.is_empty() {
            return Err(wrong("MissingParameter", "The request is missing the required parameter `ResourceNames`."));
        }
        let one = |name: &&str| {
            if !QUOTA_NAMES.contains(name) {
                let message = format!("There is no resource `{name}` with a quota.");
                return Err(wrong("InvalidParameterValue.InvalidResourceQuotaResourceName", message));
            }
            let (left, total) = match name.strip_suffix("_INSTANCE") {
                Some(kind) => (self.quota_left(kind), self.settings.quota),
                None => (10, 10),
            };
            Ok(json!({"ResourceName": name, "ResourceQuotaAvailable": left, "ResourceQuotaTotal": total}))
        };
        let set = names.iter().map(one).collect::<Result<Vec<Value>, ApiError>>()?;
        Ok(json!({"GeneralResourceQuotaSet": set}))
    }
}
