//! Who asks, and where the answers come from, when something about it is wrong.

use crate::support::{Place, SMALL};

#[test]
fn without_credentials_every_place_is_named() {
    let place = Place::with(SMALL);
    let said = place.run(&["plan"]).expect(1);
    assert!(said.out.is_empty() && said.err.contains("help:"), "{said:#?}");
    assert!(said.err.contains("TENCENTCLOUD_SECRET_ID") && said.err.contains("tccli"), "{said:#?}");
}

#[test]
fn a_cloud_that_cannot_be_reached_is_an_error_and_no_panic() {
    let mut place = Place::with(SMALL);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
    place.set("LHPROV_ENDPOINT", &format!("http://127.0.0.1:{port}"));
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    let said = place.run(&["catalog", "zones"]).expect(1);
    assert!(said.err.starts_with("error: ") && !said.err.contains("panicked"), "{said:#?}");
    assert!(!said.err.contains("not-a-real-key"), "{said:#?}");
}
