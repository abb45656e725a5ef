//! Which sockets are opened: to the endpoint, to STS and to the metadata address, and to nothing else.

use crate::far::{Far, text};
use crate::support::{Place, SMALL};
use serde_json::json;
use std::collections::BTreeSet;

/// Everything that is not on this machine goes through a proxy, so the proxy hears of every host. It lets nothing through.
fn hosts(site: &str, prepare: impl Fn(&mut Place)) -> BTreeSet<String> {
    let proxy = Far::start(|_| text(403, "no"));
    let mut place = Place::with(&SMALL.replace("stack: small\n", &format!("stack: small\nsite: {site}\n")));
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        place.set(name, &proxy.url);
    }
    prepare(&mut place);
    for command in [&["auth", "whoami"][..], &["apply", "--yes"]] {
        let said = place.run(command);
        assert_eq!(said.code, Some(1), "{said:#?}");
    }
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.method == "CONNECT"), "{asked:#?}");
    asked.into_iter().map(|asked| asked.path).collect()
}

fn keys(place: &mut Place) {
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
}

#[test]
fn only_what_the_site_has() {
    let set = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<BTreeSet<_>>();
    let china = std::thread::spawn(|| hosts("china", keys));
    let international = std::thread::spawn(|| hosts("international", keys));
    let role = std::thread::spawn(|| {
        hosts("china", |place| {
            keys(place);
            place.set("TENCENTCLOUD_ROLE_ARN", "qcs::cam::uin/1:roleName/a");
            place.set("TENCENTCLOUD_ROLE_SESSION_NAME", "ci");
        })
    });
    let both = ["lighthouse.tencentcloudapi.com:443", "sts.tencentcloudapi.com:443"];
    assert_eq!(china.join().expect("hosts"), set(&both));
    let both = ["lighthouse.intl.tencentcloudapi.com:443", "sts.intl.tencentcloudapi.com:443"];
    assert_eq!(international.join().expect("hosts"), set(&both));
    // Without the role nothing else can be asked.
    assert_eq!(role.join().expect("hosts"), set(&["sts.tencentcloudapi.com:443"]));
}

#[test]
fn the_metadata_address_is_asked_without_the_proxy_and_for_nothing_else() {
    let metadata = Far::start(|_| text(404, "no role"));
    let url = metadata.url.clone();
    let asked = hosts("china", move |place| place.set("LHPROV_METADATA_URL", &url));
    assert_eq!(asked, BTreeSet::new(), "without credentials nobody else is asked");
    let paths: BTreeSet<String> =
        metadata.asked().into_iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    assert_eq!(paths, BTreeSet::from(["GET /latest/meta-data/cam/security-credentials/".to_owned()]));
}

#[test]
fn with_an_endpoint_all_goes_there() {
    let proxy = Far::start(|_| text(403, "no"));
    let far = Far::start(|asked| match asked.action() {
        "GetCallerIdentity" => crate::far::json(&json!({"Response": {"AccountId": "1", "RequestId": "r"}})),
        "AssumeRole" => crate::far::json(&json!({"Response": {"RequestId": "r", "ExpiredTime": 99_999_999_999i64,
            "Credentials": {"Token": "t", "TmpSecretId": "AKIDROLE", "TmpSecretKey": "k"}}})),
        _ => crate::far::json(&json!({"Response": {"TotalCount": 0, "InstanceSet": [], "RequestId": "r"}})),
    });
    let mut place = Place::with(SMALL);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        place.set(name, &proxy.url);
    }
    keys(&mut place);
    place.set("TENCENTCLOUD_ROLE_ARN", "qcs::cam::uin/1:roleName/a");
    place.set("TENCENTCLOUD_ROLE_SESSION_NAME", "ci");
    place.set("LHPROV_ENDPOINT", &far.url);
    place.run(&["plan"]).expect(0);
    assert!(proxy.asked().is_empty(), "{:#?}", proxy.asked());
    let signed: BTreeSet<(String, bool)> = far
        .asked()
        .iter()
        .map(|asked| (asked.action().to_owned(), asked.header("Authorization").contains("/sts/tc3_request")))
        .collect();
    let expected = [
        ("AssumeRole", true),
        ("CreateInstances", false),
        ("DescribeBlueprints", false),
        ("DescribeBundles", false),
        ("DescribeGeneralResourceQuotas", false),
        ("DescribeInstances", false),
        ("GetCallerIdentity", true),
        ("InquirePriceCreateInstances", false),
    ];
    assert_eq!(signed, expected.map(|(action, sts)| (action.to_owned(), sts)).into());
}
