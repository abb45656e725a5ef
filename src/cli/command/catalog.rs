//! `lhprov catalog`: what can stand in a manifest.

use crate::cli::args::{CatalogArgs, CatalogWhat, Global};
use crate::cli::connect::{Wanted, connect};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::cli::{host, load};
use crate::cloud::CloudRead;
use crate::model::Site;
use crate::ops::{self, OpsError};
use crate::report::console::Console;
use crate::report::human::table::table;
use crate::report::sink::Fanout;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Region of a listing that needs none: every request has one, and this one is open to all.
const ANY_REGION: &str = "ap-guangzhou";

/// Rows for people, and the same for programs.
struct Listing {
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
    json: serde_json::Value,
}

/// Lists.
pub fn run(global: &Global, own: &CatalogArgs, console: Console) -> Result<Exit, Failure> {
    let (site, region) = place(global, own.what, console)?;
    let runtime = host::runtime()?;
    let listed = runtime.block_on(async {
        let wanted = Wanted { site, region: &region, rate_limits: BTreeMap::new(), sandbox: &own.sandbox };
        let connection = connect(global, wanted, Arc::new(Fanout::default()))?;
        let signals = Signals::listen()?;
        tokio::select! {
            biased;
            signal = signals.early() => Ok(Err(Exit::Interrupted(signal))),
            listing = list(own.what, connection.cloud.as_ref()) => match listing {
                Ok(listing) => Ok(Ok(listing)),
                Err(OpsError::Cloud(error)) => Err(error.into()),
                Err(other) => Err(Failure::new(Exit::Error, other.to_string())),
            },
        }
    });
    runtime.shutdown_background();
    let listing = match listed? {
        Ok(listing) => listing,
        Err(exit) => return Ok(exit),
    };
    let text = match own.format.is_json() {
        true => format!("{:#}\n", listing.json),
        false => table(listing.headings, &listing.rows, 0, console.stdout),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// Site and region: those of the manifest where there is one, and of `--region` before that, for a look elsewhere.
fn place(global: &Global, what: CatalogWhat, console: Console) -> Result<(Site, String), Failure> {
    if !load::has_manifest(global) {
        let region = match (&global.region, what) {
            (Some(region), _) => region.clone(),
            (None, CatalogWhat::Regions) => ANY_REGION.to_owned(),
            (None, _) => {
                return Err(Failure::usage("which region? There is no manifest that says").help(
                    "name one with --region, such as --region ap-guangzhou; `lhprov catalog regions` lists them",
                ));
            }
        };
        return Ok((Site::China, region));
    }
    let (desired, sources, diagnostics) = load::read(global);
    match desired {
        Some(desired) => Ok((desired.site, global.region.clone().unwrap_or(desired.region))),
        // A manifest that is still being written is what the catalogue is for.
        None if global.region.is_some() => Ok((Site::China, global.region.clone().unwrap_or_default())),
        None => {
            let failure = Failure::diagnostics(diagnostics, Arc::new(sources));
            console.say(&failure.render(console.stderr));
            Err(Failure::usage("the manifest does not say which region")
                .help("correct it, or name the region with --region"))
        }
    }
}

async fn list(what: CatalogWhat, cloud: &dyn CloudRead) -> Result<Listing, OpsError> {
    Ok(match what {
        CatalogWhat::Bundles => {
            let rows = ops::bundles(cloud).await?;
            let row = |b: &ops::BundleRow| {
                let price = b.price_month.as_ref().map(|price| format!("{price} {}", b.currency)).unwrap_or_default();
                let state = if b.available { "" } else { "sold out" };
                vec![
                    b.bundle_id.clone(),
                    shown(b.cpu),
                    shown(b.memory_gb),
                    shown(b.disk_gb),
                    shown(b.bandwidth_mbps),
                    b.platforms.join(" "),
                    price,
                    state.to_owned(),
                ]
            };
            let headings = &["BUNDLE", "CPU", "GB", "DISK", "MBPS", "PLATFORM", "MONTH", ""];
            Listing { headings, rows: rows.iter().map(row).collect(), json: document("bundles", &rows) }
        }
        CatalogWhat::Blueprints => {
            let rows = ops::blueprints(cloud).await?;
            let row = |b: &ops::BlueprintRow| {
                let state = if b.state == "NORMAL" { String::new() } else { b.state.clone() };
                vec![b.blueprint_id.clone(), b.name.clone(), b.platform.clone(), b.blueprint_type.clone(), state]
            };
            let headings = &["BLUEPRINT", "NAME", "PLATFORM", "TYPE", ""];
            Listing { headings, rows: rows.iter().map(row).collect(), json: document("blueprints", &rows) }
        }
        CatalogWhat::Zones => {
            let rows = ops::zones(cloud).await?;
            let row = |z: &ops::ZoneRow| vec![z.zone.clone(), z.name.clone()];
            Listing {
                headings: &["ZONE", "NAME"],
                rows: rows.iter().map(row).collect(),
                json: document("zones", &rows),
            }
        }
        CatalogWhat::Regions => {
            let rows = ops::regions(cloud).await?;
            let row = |r: &ops::RegionRow| {
                let state = if r.state == "AVAILABLE" { String::new() } else { r.state.clone() };
                vec![r.region.clone(), r.name.clone(), state]
            };
            Listing {
                headings: &["REGION", "NAME", ""],
                rows: rows.iter().map(row).collect(),
                json: document("regions", &rows),
            }
        }
    })
}

fn document<T: Serialize>(name: &str, rows: &[T]) -> serde_json::Value {
    json!({"format_version": "1.0", name: rows})
}

/// A number of a row; what the cloud does not report is no 0.
fn shown(number: Option<u64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}
