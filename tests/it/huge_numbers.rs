//! Numbers of the service decide neither how much memory is taken nor how long a listing lasts.

use crate::altered::Altered;
use crate::support::SMALL;
use serde_json::{Value, json};

#[test]
fn a_huge_count_ends_the_listing_with_an_error() {
    let cloud = Altered::start();
    let place = cloud.place(SMALL);
    for count in [json!(100_000_000), json!(1_000_000_001), json!(u64::MAX)] {
        cloud.alter(move |action, response| {
            if action == "DescribeInstances" {
                response["TotalCount"] = count.clone();
            }
        });
        let said = place.run(&["plan"]).expect(1);
        assert!(said.err.contains("more than the 100000 that are read"), "{said:#?}");
    }
    // Below the bound an empty first page is the last, and the two numbers do not agree.
    let before = cloud.requests("DescribeInstances").len();
    cloud.alter(|action, response| {
        if action == "DescribeInstances" {
            response["TotalCount"] = json!(90_000);
        }
    });
    place.run(&["plan"]).expect(1);
    assert!(cloud.requests("DescribeInstances").len() - before <= 4, "pages of a listing without instances");
    cloud.restore();
    place.run(&["plan"]).expect(0);
}

#[test]
fn a_catalogue_without_end_is_an_error() {
    let cloud = Altered::start();
    let place = cloud.place(SMALL);
    cloud.alter(|action, response| {
        if action == "DescribeBundles"
            && let Some(first) = response["BundleSet"].get(0).cloned()
        {
            response["BundleSet"] = Value::Array(vec![first; 100]);
            response["TotalCount"] = json!(u64::MAX);
        }
    });
    let said = place.run(&["catalog", "bundles", "--region", "ap-guangzhou"]).expect(1);
    assert!(said.err.contains("has more than 20000 rows"), "{said:#?}");
}
