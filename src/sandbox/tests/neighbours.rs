//! Tag service and Security Token Service.

use super::super::account::{ACCOUNT_ID, Caller, Forced};
use super::super::sts::Temporary;
use super::*;

fn resource(id: &str) -> String {
    format!("qcs::lighthouse:ap-guangzhou:uin/{ACCOUNT_ID}:instance/{id}")
}

fn tags(lab: &mut Lab, id: &str) -> Value {
    lab.one(id, 9000)["Tags"].clone()
}

#[test]
fn tags_change_through_the_tag_service() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({"Tags": [{"Key": "team", "Value": "a"}, {"Key": "theirs", "Value": "x"}]}));
    let change = json!({
        "Resource": resource(&id),
        "ReplaceTags": [{"TagKey": "team", "TagValue": "b"}, {"TagKey": "tier", "TagValue": "front"}],
        "DeleteTags": [{"TagKey": "gone"}],
    });
    assert_eq!(lab.ask("ModifyResourceTags", change.clone(), 2000), Ok(json!({})));
    let all =
        json!([{"Key": "team", "Value": "b"}, {"Key": "theirs", "Value": "x"}, {"Key": "tier", "Value": "front"}]);
    assert_eq!(tags(&mut lab, &id), all);
    assert_eq!(lab.ask("ModifyResourceTags", change, 2000), Ok(json!({})), "a repetition is no error");
    let delete = json!({"Resource": resource(&id), "DeleteTags": [{"TagKey": "tier"}]});
    lab.ask("ModifyResourceTags", delete, 2000).unwrap();
    let by_ids = json!({
        "ServiceType": "lighthouse",
        "ResourcePrefix": "instance",
        "ResourceIds": [id],
        "ResourceRegion": "ap-guangzhou",
        "Limit": 1,
        "Offset": 1,
    });
    let told = lab.ask("DescribeResourceTagsByResourceIds", by_ids, 2000).unwrap();
    assert_eq!((&told["TotalCount"], &told["Tags"][0]["TagKey"]), (&json!(2), &json!("theirs")));
    let told = lab.ask("DescribeResourceTags", json!({"ResourceId": id}), 2000).unwrap();
    assert_eq!((&told["TotalCount"], &told["Rows"][0]["TagValue"]), (&json!(2), &json!("b")));
    let told = lab.ask("DescribeResourceTags", json!({"ServiceType": "cvm"}), 2000).unwrap();
    assert_eq!(told["TotalCount"], 0);
}

#[test]
fn what_the_tag_service_refuses() {
    let mut lab = Lab::new(|_| {});
    let id = lab.running(json!({}));
    let described = "InvalidParameterValue.ResourceDescriptionError";
    let tag = json!([{"TagKey": "a", "TagValue": "b"}]);
    for other in [
        "lhins-12345678".to_owned(),
        resource("lhins-00000000"),
        resource(&id).replace("lighthouse", "cvm"),
        resource(&id).replace("guangzhou", "shanghai"),
        resource(&id).replace(ACCOUNT_ID, "1"),
        resource(&id).replace("instance/", "disk/"),
    ] {
        let body = json!({"Resource": other, "ReplaceTags": tag});
        assert_eq!(lab.code("ModifyResourceTags", body, 2000), described, "{other}");
    }
    let code = |lab: &mut Lab, more: Value| {
        let mut body = json!({"Resource": resource(&id)});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        lab.code("ModifyResourceTags", body, 2000)
    };
    let one = |key: &str, value: &str| json!({"ReplaceTags": [{"TagKey": key, "TagValue": value}]});
    for (more, want) in [
        (json!({}), "MissingParameter"),
        (json!({"ReplaceTags": []}), "InvalidParameter"),
        (one("", "b"), "InvalidParameterValue.TagKeyEmpty"),
        (one(&"k".repeat(128), "b"), "InvalidParameterValue.TagKeyLengthExceeded"),
        (one("k", &"v".repeat(256)), "InvalidParameterValue.TagValueLengthExceeded"),
        (one("a*", "b"), "InvalidParameterValue.TagKeyCharacterIllegal"),
        (one("a", "b&"), "InvalidParameterValue.TagValueCharacterIllegal"),
        (one("a", " b"), "InvalidParameterValue.TagValueCharacterIllegal"),
        (one("a", ""), "InvalidParameterValue.TagValueEmpty"),
        (one("项目", "b"), "InvalidParameter.ReservedTagKey"),
        (one("qcs:a", "b"), "InvalidParameter.ReservedTagKey"),
        (json!({"ReplaceTags": tag, "DeleteTags": [{"TagKey": "a"}]}), "InvalidParameterValue.DeleteTagsParamError"),
    ] {
        assert_eq!(code(&mut lab, more.clone()), want, "{more}");
    }
    for round in 0..6 {
        let many: Vec<Value> = (0..10).map(|i| json!({"TagKey": format!("k{round}-{i}"), "TagValue": "x"})).collect();
        let want = if round < 5 { "" } else { "LimitExceeded.ResourceAttachedTags" };
        assert_eq!(code(&mut lab, json!({"ReplaceTags": many})), want, "{round}");
    }
}

#[test]
fn many_resources_are_tagged_each_by_itself() {
    let mut lab = Lab::new(|_| {});
    let bought = lab.buy(json!({"InstanceCount": 3}), 0);
    let list = [resource(&bought[0]), resource("lhins-00000000"), resource(&bought[1])];
    let body = json!({"ResourceList": list, "Tags": [{"TagKey": "team", "TagValue": "a"}]});
    let failed = lab.ask("TagResources", body, 2000).unwrap()["FailedResources"].clone();
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(failed[0]["Code"], "InvalidParameterValue.ResourceIdInvalid");
    let by_tag = json!({"TagFilters": [{"TagKey": "team", "TagValue": ["a", "b"]}], "MaxResults": 1});
    let first = lab.ask("GetResources", by_tag.clone(), 2000).unwrap();
    let mut next = by_tag.clone();
    next["PaginationToken"] = first["PaginationToken"].clone();
    let second = lab.ask("GetResources", next, 2000).unwrap();
    let mut found = [&first, &second].map(|page| page["ResourceTagMappingList"][0]["Resource"].clone());
    found.sort_by_key(Value::to_string);
    let mut want = [json!(list[0]), json!(list[2])];
    want.sort_by_key(Value::to_string);
    assert_eq!((found, &second["PaginationToken"]), (want, &json!("")));
    let body = json!({"ResourceList": [list[0]], "TagKeys": ["team"]});
    assert_eq!(lab.ask("UnTagResources", body, 2000).unwrap(), json!({"FailedResources": []}));
    assert_eq!(tags(&mut lab, &bought[0]), json!([]));
    let eleven = json!({"ResourceList": vec![&list[0]; 11], "TagKeys": ["team"]});
    assert_eq!(lab.code("UnTagResources", eleven, 2000), "LimitExceeded.ResourceNumPerRequest");
}

#[test]
fn the_international_site_has_no_tags() {
    let mut lab = Lab::new(|s| s.site = Site::International);
    let body = json!({"Resource": resource("lhins-12345678"), "DeleteTags": [{"TagKey": "a"}]});
    assert_eq!(lab.code("ModifyResourceTags", body, 0), "InvalidParameterValue.ResourceDescriptionError");
}

#[test]
fn roles_are_assumed() {
    let mut lab = Lab::new(|_| {});
    let arn = format!("qcs::cam::uin/{ACCOUNT_ID}:roleName/deploy");
    let body = json!({"RoleArn": arn, "RoleSessionName": "ci", "DurationSeconds": 900});
    let given = lab.ask("AssumeRole", body.clone(), 500).unwrap();
    assert_eq!((&given["ExpiredTime"], &given["Expiration"]), (&json!(1_700_000_900), &json!("2023-11-14T22:28:20Z")));
    let temporary = Temporary::recognise(given["Credentials"]["Token"].as_str().unwrap()).unwrap();
    assert_eq!(given["Credentials"]["TmpSecretId"], json!(temporary.id));
    let forced = Forced { caller: temporary.caller.clone(), ..Forced::default() };
    let whoami = lab.0.call_with(&call_in("ap-guangzhou", "GetCallerIdentity", json!({}), 0), forced.clone()).unwrap();
    assert_eq!((&whoami["Type"], &whoami["UserId"]), (&json!("CAMRole"), &json!("deploy:ci")));
    assert_eq!(whoami["AccountId"], ACCOUNT_ID);
    assert_eq!(temporary.caller, Caller::Role { role: "deploy".into(), session: "ci".into() });
    let again = lab.0.call_with(&call_in("ap-guangzhou", "AssumeRole", body, 0), forced);
    assert_eq!(again.unwrap_err().code, "FailedOperation.TempKeyNotAllowed");
    let mut code = |arn: &str, session: &str, seconds: i64| {
        lab.code("AssumeRole", json!({"RoleArn": arn, "RoleSessionName": session, "DurationSeconds": seconds}), 0)
    };
    assert_eq!(code(&arn.replace("deploy", "none"), "ci", 900), "ResourceNotFound.RoleNotFound");
    assert_eq!(code("arn", "ci", 900), "ResourceNotFound.RoleNotFound");
    assert_eq!(code(&arn, "c", 900), "InvalidParameter.ParamError");
    assert_eq!(code(&arn, "ci", 43_201), "InvalidParameter.OverTimeError");
}
