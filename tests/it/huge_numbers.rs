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
        let message = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(message.contains("more than the 100000 that are read"), "{message}");
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
    let mut bundle = None;
    cloud.alter(move |action, response| {
        if action == "DescribeBundles" {
            let first = bundle.get_or_insert_with(|| response["BundleSet"][0].clone());
            response["BundleSet"] = Value::Array(vec![first.clone(); 5_000]);
            response["TotalCount"] = json!(u64::MAX);
        }
    });
    let said = place.run(&["catalog", "bundles", "--region", "ap-guangzhou"]);
    assert!(said.code == Some(1) && said.err.contains("has more than 20000 rows"), "{:?} {}", said.code, said.err);
}
