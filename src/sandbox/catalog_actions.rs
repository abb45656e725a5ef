//! What is for sale: regions, zones, bundles, blueprints and prices.

use super::account::Account;
use super::call::{Answer, ApiError, Call};
use super::catalogue::{self, BLUEPRINTS, BUNDLES, Blueprint, Bundle, REGIONS};
use super::describe::descending;
use super::order::{PURCHASE_MAX, blueprint, bundle, charge};
use super::params::{Filter, Params, exclusive, wrong};
use super::price::{discounts, price_json};
use crate::model::Site;
use serde_json::{Value, json};

impl Account {
    pub(super) fn catalogue_action(&self, call: &Call) -> Answer {
        let site = self.settings.site;
        match call.action.as_str() {
            "DescribeRegions" => regions(site, call),
            "DescribeZones" => zones(site, call),
            "DescribeBundles" => bundles(site, call),
            "DescribeBlueprints" => blueprints(site, call),
            "InquirePriceCreateInstances" => inquire(site, call),
            "DescribeBundleDiscount" => bundle_discount(site, call),
            other => Err(wrong("InvalidAction", format!("The action `{other}` does not exist."))),
        }
    }
}

fn regions(site: Site, call: &Call) -> Answer {
    Params::of_body(&call.body, &[])?;
    let ours = REGIONS.iter().filter(|region| region.site == site);
    let one = |region: &catalogue::Region| {
        json!({
            "Region": region.id,
            "RegionName": region.name,
            "RegionState": "AVAILABLE",
            "IsChinaMainland": region.mainland,
        })
    };
    let set: Vec<Value> = ours.map(one).collect();
    Ok(json!({"TotalCount": set.len(), "RegionSet": set}))
}

fn zones(site: Site, call: &Call) -> Answer {
    let params = Params::of_body(&call.body, &["OrderField", "Order"])?;
    if let Some(other) = params.text("OrderField")?.filter(|text| !["ZONE", "INSTANCE_DISPLAY_LABEL"].contains(text)) {
        return Err(wrong("InvalidParameterValue", format!("There is no order by `{other}`.")));
    }
    let backwards = descending(params.text("Order")?)?;
    let region = catalogue::find_region(site, &call.region);
    let one = |region: &catalogue::Region, zone: &str| {
        let number = zone.rsplit('-').next().unwrap_or_default();
        let name = format!("{} Zone {number}", region.name);
        json!({"Zone": zone, "ZoneName": name, "InstanceDisplayLabel": "NORMAL"})
    };
    let mut set: Vec<Value> =
        region.into_iter().flat_map(|region| region.zones.iter().map(|zone| one(region, zone))).collect();
    if backwards {
        set.reverse();
    }
    Ok(json!({"TotalCount": set.len(), "ZoneInfoSet": set}))
}

fn platforms(bundle: &Bundle) -> impl Iterator<Item = &'static str> {
    bundle.linux.then_some("LINUX_UNIX").into_iter().chain(bundle.windows.then_some("WINDOWS"))
}

/// What bundles can be filtered by.
pub(super) const BUNDLE_FILTERS: [&str; 4] = ["bundle-id", "support-platform-type", "bundle-type", "bundle-state"];

pub(super) fn bundle_matches(bundle: &Bundle, filter: &Filter<'_>) -> bool {
    match filter.name {
        "bundle-id" => filter.has(bundle.id),
        "support-platform-type" => platforms(bundle).any(|platform| filter.has(platform)),
        "bundle-type" => filter.has(bundle.kind),
        _ => filter.has("ONLINE"),
    }
}

pub(super) fn bundle_json(bundle: &Bundle) -> Value {
    json!({
        "BundleId": bundle.id,
        "Memory": bundle.memory,
        "SystemDiskType": "CLOUD_SSD",
        "SystemDiskSize": bundle.disk,
        "MonthlyTraffic": bundle.traffic,
        "SupportLinuxUnixPlatform": bundle.linux,
        "SupportWindowsPlatform": bundle.windows,
        "Price": price_json(bundle, 1, 1),
        "CPU": bundle.cpu,
        "InternetMaxBandwidthOut": bundle.bandwidth,
        "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR",
        "BundleSalesState": if bundle.on_sale { "AVAILABLE" } else { "SOLD_OUT" },
        "BundleType": bundle.kind,
        "BundleTypeDescription": bundle.kind_name,
        "BundleDisplayLabel": "NORMAL",
        "TrafficUnlimited": false,
    })
}

fn bundles(site: Site, call: &Call) -> Answer {
    let mut known = vec!["BundleIds", "Offset", "Limit", "Filters", "Zones"];
    if site == Site::China {
        known.push("BlueprintId");
    }
    let params = Params::of_body(&call.body, &known)?;
    let ids = params.ids("BundleIds", "", "", 100)?;
    let filters = params.filters(5, |name| BUNDLE_FILTERS.contains(&name))?;
    exclusive(&ids, &filters)?;
    let page = params.page()?;
    let zones = params.texts("Zones")?;
    let here = catalogue::find_region(site, &call.region).map_or(&[][..], |region| region.zones);
    if let Some(zone) = zones.iter().find(|zone| !here.contains(zone)) {
        let message = format!("The zone `{zone}` is not in `{}`.", call.region);
        return Err(wrong("InvalidParameterValue.ZoneInvalid", message));
    }
    let image = params.text("BlueprintId")?;
    if let Some(id) = ids.iter().find(|id| catalogue::find_bundle(site, id).is_none()) {
        return Err(wrong("InvalidParameter.BundleIdNotFound", format!("The bundle `{id}` does not exist.")));
    }
    let found = BUNDLES.iter().filter(|bundle| {
        bundle.site == site
            && (ids.is_empty() || ids.contains(&bundle.id))
            && filters.iter().all(|filter| bundle_matches(bundle, filter))
            && image.is_none_or(|image| blueprint(image, bundle).is_ok())
    });
    let found: Vec<_> = found.collect();
    let total = found.len();
    let set: Vec<Value> = page.of(found).into_iter().map(bundle_json).collect();
    Ok(json!({"TotalCount": total, "BundleSet": set}))
}

pub(super) fn blueprint_matches(image: &Blueprint, filter: &Filter<'_>) -> bool {
    match filter.name {
        "blueprint-id" => filter.has(image.id),
        "blueprint-type" => filter.has(image.kind),
        "platform-type" => filter.has(image.platform_type()),
        "blueprint-name" => filter.has(image.title),
        "blueprint-state" => filter.has("NORMAL"),
        // No image has scenes or tags.
        _ => false,
    }
}

pub(super) fn blueprint_json(site: Site, image: &Blueprint) -> Value {
    let mut shown = json!({
        "BlueprintId": image.id,
        "DisplayTitle": image.title,
        "DisplayVersion": image.version,
        "Description": image.os,
        "OsName": image.os,
        "Platform": image.platform,
        "PlatformType": image.platform_type(),
        "BlueprintType": image.kind,
        "ImageUrl": "",
        "RequiredSystemDiskSize": image.disk,
        "BlueprintState": "NORMAL",
        "CreatedTime": "2023-01-01T00:00:00Z",
        "BlueprintName": image.title,
        "SupportAutomationTools": true,
        "RequiredMemorySize": image.memory,
        "ImageId": "",
        "CommunityUrl": "",
        "GuideUrl": "",
        "SceneIdSet": [],
        "DockerVersion": image.docker,
    });
    if let (Site::China, Some(map)) = (site, shown.as_object_mut()) {
        map.insert("BlueprintShared".into(), json!(false));
        map.insert("Tags".into(), json!([]));
    }
    shown
}

fn blueprints(site: Site, call: &Call) -> Answer {
    let params = Params::of_body(&call.body, &["BlueprintIds", "Offset", "Limit", "Filters"])?;
    let ids = params.ids("BlueprintIds", "lhbp-", "InvalidParameterValue.BlueprintIdMalformed", 100)?;
    let names = ["blueprint-id", "blueprint-type", "platform-type", "blueprint-name", "blueprint-state", "scene-id"];
    let tagged = |name: &str| ["tag-key", "tag-value"].contains(&name) || name.starts_with("tag:");
    let filters = params.filters(100, |name| names.contains(&name) || tagged(name))?;
    exclusive(&ids, &filters)?;
    let page = params.page()?;
    let found = BLUEPRINTS.iter().filter(|image| {
        (ids.is_empty() || ids.contains(&image.id)) && filters.iter().all(|filter| blueprint_matches(image, filter))
    });
    let found: Vec<_> = found.collect();
    let total = found.len();
    let set: Vec<Value> = page.of(found).into_iter().map(|image| blueprint_json(site, image)).collect();
    Ok(json!({"TotalCount": total, "BlueprintSet": set}))
}

fn inquire(site: Site, call: &Call) -> Answer {
    let known = ["BundleId", "InstanceChargePrepaid", "InstanceCount", "BlueprintId"];
    let params = Params::of_body(&call.body, &known)?;
    let bundle = bundle(site, &params)?;
    let (period, _) = charge(&params, PURCHASE_MAX)?;
    let count = params.bounded("InstanceCount", 1, i64::from(i32::MAX))?.unwrap_or(1);
    if let Some(id) = params.text("BlueprintId")? {
        blueprint(id, bundle).map_err(as_combination)?;
    }
    Ok(json!({"Price": price_json(bundle, period, u32::try_from(count).unwrap_or(1))}))
}

fn bundle_discount(site: Site, call: &Call) -> Answer {
    let bundle = bundle(site, &Params::of_body(&call.body, &["BundleId"])?)?;
    Ok(json!({"Currency": catalogue::currency(site), "DiscountDetail": discounts(bundle)}))
}

/// This action has one code for all that does not fit.
fn as_combination(error: ApiError) -> ApiError {
    if error.code.contains("Bundle") {
        return wrong("InvalidParameterValue.InvalidBundleBlueprintCombination", error.message);
    }
    error
}
