//! What the cloud sells: bundles, blueprints, zones and regions, so that a manifest can be written at all.

use super::error::OpsError;
use super::pages::{all_pages, rows};
use crate::cloud::port::{CloudRead, ReadAction};
use crate::cloud::reported::{flag, number, text};
use crate::model::money::Amount;
use serde::Serialize;
use serde_json::json;

/// A bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleRow {
    /// For `bundle_id`.
    pub bundle_id: String,
    /// Kind of bundle; quotas are counted by it.
    pub bundle_type: String,
    /// Cores.
    pub cpu: Option<u64>,
    /// GB of memory.
    pub memory_gb: Option<u64>,
    /// GB of system disk.
    pub disk_gb: Option<u64>,
    /// Mbps.
    pub bandwidth_mbps: Option<u64>,
    /// GB of traffic a month.
    pub traffic_gb: Option<u64>,
    /// `linux`, `windows` or both.
    pub platforms: Vec<&'static str>,
    /// Price of one month, decimal.
    pub price_month: Option<String>,
    /// CNY or USD.
    pub currency: String,
    /// Whether it is for sale.
    pub available: bool,
}

/// A blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlueprintRow {
    /// For `blueprint_id`.
    pub blueprint_id: String,
    /// Name.
    pub name: String,
    /// `LINUX_UNIX` or `WINDOWS`.
    pub platform: String,
    /// `PURE_OS`, `APP_OS`, `DOCKER`, …
    pub blueprint_type: String,
    /// GB of disk that it needs.
    pub disk_gb: Option<u64>,
    /// GB of memory that it needs.
    pub memory_gb: Option<u64>,
    /// `NORMAL` where it can be used.
    pub state: String,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZoneRow {
    /// For `zones`.
    pub zone: String,
    /// Name.
    pub name: String,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionRow {
    /// For `region`.
    pub region: String,
    /// Name.
    pub name: String,
    /// `AVAILABLE`.
    pub state: String,
}

/// Lists bundles, cheapest first.
///
/// # Errors
/// When the cloud refuses.
pub async fn bundles(cloud: &dyn CloudRead) -> Result<Vec<BundleRow>, OpsError> {
    let rows = all_pages(cloud, ReadAction::DescribeBundles, "BundleSet", &json!({})).await?;
    let mut rows: Vec<(Option<Amount>, BundleRow)> = rows
        .iter()
        .map(|row| {
            let instance = &row["Price"]["InstancePrice"];
            let price = Amount::from_json(&instance["OriginalBundlePrice"]);
            let supports = [("linux", "SupportLinuxUnixPlatform"), ("windows", "SupportWindowsPlatform")];
            let bundle = BundleRow {
                bundle_id: text(row, "BundleId").unwrap_or_default(),
                bundle_type: text(row, "BundleType").unwrap_or_default(),
                cpu: number(row, "CPU"),
                memory_gb: number(row, "Memory"),
                disk_gb: number(row, "SystemDiskSize"),
                bandwidth_mbps: number(row, "InternetMaxBandwidthOut"),
                traffic_gb: number(row, "MonthlyTraffic"),
                platforms: supports
                    .into_iter()
                    .filter(|(_, key)| flag(row, key) == Some(true))
                    .map(|(name, _)| name)
                    .collect(),
                price_month: price.map(|price| price.to_string()),
                currency: text(instance, "Currency").unwrap_or_default(),
                available: row["BundleSalesState"] == "AVAILABLE",
            };
            (price, bundle)
        })
        .collect();
    rows.sort_by(|a, b| (a.0.is_none(), a.0, &a.1.bundle_id).cmp(&(b.0.is_none(), b.0, &b.1.bundle_id)));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// Lists blueprints.
///
/// # Errors
/// When the cloud refuses.
pub async fn blueprints(cloud: &dyn CloudRead) -> Result<Vec<BlueprintRow>, OpsError> {
    let rows = all_pages(cloud, ReadAction::DescribeBlueprints, "BlueprintSet", &json!({})).await?;
    let mut rows: Vec<BlueprintRow> = rows
        .iter()
        .map(|row| BlueprintRow {
            blueprint_id: text(row, "BlueprintId").unwrap_or_default(),
            name: text(row, "BlueprintName").unwrap_or_default(),
            platform: text(row, "PlatformType").unwrap_or_default(),
            blueprint_type: text(row, "BlueprintType").unwrap_or_default(),
            disk_gb: number(row, "RequiredSystemDiskSize"),
            memory_gb: number(row, "RequiredMemorySize"),
            state: text(row, "BlueprintState").unwrap_or_default(),
        })
        .collect();
    rows.sort_by(|a, b| {
        (&a.blueprint_type, &a.name, &a.blueprint_id).cmp(&(&b.blueprint_type, &b.name, &b.blueprint_id))
    });
    Ok(rows)
}

/// Lists the zones of the region.
///
/// # Errors
/// When the cloud refuses.
pub async fn zones(cloud: &dyn CloudRead) -> Result<Vec<ZoneRow>, OpsError> {
    let rows = rows(cloud, ReadAction::DescribeZones, json!({}), "ZoneInfoSet").await?;
    Ok(rows
        .iter()
        .map(|row| ZoneRow {
            zone: text(row, "Zone").unwrap_or_default(),
            name: text(row, "ZoneName").unwrap_or_default(),
        })
        .collect())
}

/// Lists the regions.
///
/// # Errors
/// When the cloud refuses.
pub async fn regions(cloud: &dyn CloudRead) -> Result<Vec<RegionRow>, OpsError> {
    let rows = rows(cloud, ReadAction::DescribeRegions, json!({}), "RegionSet").await?;
    Ok(rows
        .iter()
        .map(|row| RegionRow {
            region: text(row, "Region").unwrap_or_default(),
            name: text(row, "RegionName").unwrap_or_default(),
            state: text(row, "RegionState").unwrap_or_default(),
        })
        .collect())
}
