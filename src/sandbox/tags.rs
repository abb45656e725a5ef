//! The Tag service, as far as it knows Lighthouse instances: tags change here and nowhere else.

use super::account::{ACCOUNT_ID, Account, done};
use super::call::{Answer, ApiError, Call};
use super::catalogue;
use super::params::{Params, well_formed, wrong};
use super::record::Record;
use crate::model::{Site, tag};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most tags in one call, and most resources that one call tags.
const CALL_MAX: usize = 10;

/// Most tags on a resource.
const ATTACHED_MAX: usize = 50;

/// Most resource ids in one DescribeResourceTagsByResourceIds.
const IDS_MAX: usize = 50;

fn value_error(what: &str, message: impl Into<String>) -> ApiError {
    wrong(&format!("InvalidParameterValue.{what}"), message)
}

/// `qcs::lighthouse:REGION:uin/ACCOUNT:instance/ID`.
fn resource_of(record: &Record) -> String {
    format!("qcs::lighthouse:{}:uin/{ACCOUNT_ID}:instance/{}", record.region, record.id)
}

/// The rules of the Tag service, which hold at a purchase as well.
pub(super) fn check_tag(key: &str, value: &str) -> Result<(), ApiError> {
    let refuse = |fault: tag::Fault| wrong(fault.code(), format!("The tag `{key}`: {fault}."));
    tag::check_key(key).and_then(|()| tag::check_value(value)).map_err(refuse)
}

/// A list that may be absent but not empty, with at most ten elements.
fn some_inners<'a>(params: &Params<'a>, name: &str, known: &[&str]) -> Result<Vec<Params<'a>>, ApiError> {
    let list = params.inners(name, known)?;
    if params.list(name)?.is_some_and(<[Value]>::is_empty) {
        return Err(wrong("InvalidParameter", format!("`{name}` must not be an empty list.")));
    }
    if list.len() > CALL_MAX {
        let message = format!("`{name}` has {} elements, more than {CALL_MAX}.", list.len());
        return Err(wrong("InvalidParameter.Tag", message));
    }
    Ok(list)
}

fn read_tags(params: &Params<'_>, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for one in some_inners(params, name, &["TagKey", "TagValue", "Category"])? {
        let (key, value) = (one.need_text("TagKey")?, one.need_text("TagValue")?);
        one.text("Category")?;
        check_tag(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(wrong("InvalidParameter.Tag", format!("The tag key `{key}` is given more than once.")));
        }
    }
    Ok(tags)
}

/// `Offset` and `Limit` of this service: 15 unless told otherwise.
fn page(params: &Params<'_>) -> Result<(usize, usize), ApiError> {
    let offset = params.integer("Offset")?.unwrap_or(0);
    let limit = params.bounded("Limit", 1, 200)?.unwrap_or(15);
    if offset < 0 || offset % limit != 0 {
        return Err(value_error("OffsetInvalid", format!("The offset {offset} is no multiple of the limit {limit}.")));
    }
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok((size(offset), size(limit)))
}

fn tag_json(key: &str, value: &str) -> Value {
    json!({"TagKey": key, "TagValue": value, "Category": "Custom"})
}

impl Account {
    /// The instance that a six-segment description names.
    fn described(&self, resource: &str) -> Result<&Record, ApiError> {
        let malformed = || value_error("ResourceDescriptionError", format!("`{resource}` describes no resource."));
        let segments: Vec<&str> = resource.split(':').collect();
        let ["qcs", _, service, region, owner, what] = segments[..] else { return Err(malformed()) };
        if service != "lighthouse" || self.settings.site != Site::China {
            return Err(value_error("ServiceTypeInvalid", format!("The service `{service}` has no tags.")));
        }
        if catalogue::find_region(self.settings.site, region).is_none() {
            return Err(value_error("RegionInvalid", format!("The region `{region}` does not exist.")));
        }
        if ![format!("uin/{ACCOUNT_ID}").as_str(), ACCOUNT_ID, ""].contains(&owner) {
            return Err(value_error("UinInvalid", format!("`{owner}` is not the account.")));
        }
        let (prefix, id) = what.split_once('/').ok_or_else(malformed)?;
        if prefix != "instance" {
            return Err(value_error("ResourcePrefixInvalid", format!("`{prefix}` has no tags.")));
        }
        self.record(id)
            .filter(|record| record.region == region && well_formed(id, "lhins-"))
            .ok_or_else(|| value_error("ResourceIdInvalid", format!("There is no instance `{id}` in `{region}`.")))
    }

    fn set_tags(&mut self, mut record: Record, new: &BTreeMap<String, String>, gone: &[&str]) -> Result<(), ApiError> {
        record.tags.retain(|key, _| !gone.contains(&key.as_str()));
        record.tags.extend(new.clone());
        if record.tags.len() > ATTACHED_MAX {
            let message = format!("A resource has at most {ATTACHED_MAX} tags.");
            return Err(wrong("LimitExceeded.ResourceAttachedTags", message));
        }
        self.put(record);
        Ok(())
    }

    pub(super) fn modify_resource_tags(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["Resource", "ReplaceTags", "DeleteTags"])?;
        let resource = params.need_text("Resource")?;
        let new = read_tags(&params, "ReplaceTags")?;
        let gone = some_inners(&params, "DeleteTags", &["TagKey"])?;
        let gone = gone.iter().map(|tag| tag.need_text("TagKey")).collect::<Result<Vec<_>, _>>()?;
        if new.is_empty() && gone.is_empty() {
            let message = "One of `ReplaceTags` and `DeleteTags` must be given.";
            return Err(wrong("MissingParameter", message));
        }
        if let Some(key) = gone.iter().find(|key| new.contains_key(**key)) {
            let message = format!("The tag key `{key}` is both to be set and to be deleted.");
            return Err(value_error("DeleteTagsParamError", message));
        }
        // This action has one code for all that is wrong with a description. To delete what is not there is no error.
        let record =
            self.described(resource).map_err(|error| value_error("ResourceDescriptionError", error.message))?;
        let record = record.clone();
        self.set_tags(record, &new, &gone)?;
        done()
    }

    /// Changes each resource by itself; answers which could not be changed.
    fn each(&mut self, resources: &[&str], change: impl Fn(&mut Self, Record) -> Result<(), ApiError>) -> Answer {
        let mut failed = Vec::new();
        for resource in resources {
            let found = self.described(resource).cloned();
            if let Err(error) = found.and_then(|record| change(self, record)) {
                failed.push(json!({"Resource": resource, "Code": error.code, "Message": error.message}));
            }
        }
        Ok(json!({"FailedResources": failed}))
    }

    fn resource_list<'a>(params: &Params<'a>) -> Result<Vec<&'a str>, ApiError> {
        let list = params.texts("ResourceList")?;
        if list.len() > CALL_MAX {
            let message = format!("`ResourceList` has {} elements, more than {CALL_MAX}.", list.len());
            return Err(wrong("LimitExceeded.ResourceNumPerRequest", message));
        }
        Ok(list)
    }

    pub(super) fn tag_resources(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["ResourceList", "Tags"])?;
        let (resources, tags) = (Self::resource_list(&params)?, read_tags(&params, "Tags")?);
        if resources.is_empty() || tags.is_empty() {
            return Err(wrong("MissingParameter", "`ResourceList` and `Tags` must be given."));
        }
        self.each(&resources, |account, record| account.set_tags(record, &tags, &[]))
    }

    pub(super) fn untag_resources(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["ResourceList", "TagKeys"])?;
        let (resources, keys) = (Self::resource_list(&params)?, params.texts("TagKeys")?);
        if resources.is_empty() || keys.is_empty() {
            return Err(wrong("MissingParameter", "`ResourceList` and `TagKeys` must be given."));
        }
        if keys.len() > CALL_MAX {
            return Err(wrong("LimitExceeded.TagNumPerRequest", format!("There may be at most {CALL_MAX} tag keys.")));
        }
        self.each(&resources, |account, record| account.set_tags(record, &BTreeMap::new(), &keys))
    }

    /// Rows of type TagResource for some instances, without the digests that nobody reads.
    fn rows<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Value> {
        let mut records: Vec<&Record> = records.collect();
        records.sort_by(|a, b| a.id.cmp(&b.id));
        let row = |record: &Record, key: &str, value: &str| {
            json!({
                "TagKey": key,
                "TagValue": value,
                "ResourceId": record.id,
                "TagKeyMd5": null,
                "TagValueMd5": null,
                "ServiceType": "lighthouse",
                "Category": "Custom",
            })
        };
        let of_one = |record: &'a Record| record.tags.iter().map(move |(key, value)| row(record, key, value));
        records.into_iter().flat_map(of_one).collect()
    }

    pub(super) fn describe_tags_by_ids(&self, call: &Call) -> Answer {
        let known = ["ServiceType", "ResourcePrefix", "ResourceIds", "ResourceRegion", "Offset", "Limit", "Category"];
        let params = Params::of_body(&call.body, &known)?;
        let (service, prefix) = (params.need_text("ServiceType")?, params.need_text("ResourcePrefix")?);
        let region = params.need_text("ResourceRegion")?;
        let ids = params.texts("ResourceIds")?;
        if ids.is_empty() {
            return Err(wrong("MissingParameter", "The request is missing the required parameter `ResourceIds`."));
        }
        if ids.len() > IDS_MAX {
            return Err(wrong(
                "LimitExceeded.ResourceNumPerRequest",
                format!("At most {IDS_MAX} ids may be asked for."),
            ));
        }
        params.text("Category")?;
        let (offset, limit) = page(&params)?;
        let ours = service == "lighthouse" && prefix == "instance";
        let found = ids.iter().filter_map(|id| self.record(id)).filter(|record| ours && record.region == region);
        let rows = Self::rows(found);
        let total = rows.len();
        let shown: Vec<Value> = rows.into_iter().skip(offset).take(limit).collect();
        Ok(json!({"TotalCount": total, "Offset": offset, "Limit": limit, "Tags": shown}))
    }

    pub(super) fn describe_resource_tags(&self, call: &Call) -> Answer {
        let known = [
            "CreateUin",
            "ResourceRegion",
            "ServiceType",
            "ResourcePrefix",
            "ResourceId",
            "Offset",
            "Limit",
            "CosResourceId",
        ];
        let params = Params::of_body(&call.body, &known)?;
        let owner = params.integer("CreateUin")?.map(|uin| uin.to_string());
        params.integer("CosResourceId")?;
        let region = params.text("ResourceRegion")?;
        let id = params.text("ResourceId")?;
        let ours = owner.is_none_or(|uin| uin == ACCOUNT_ID)
            && params.text("ServiceType")?.is_none_or(|service| service == "lighthouse")
            && params.text("ResourcePrefix")?.is_none_or(|prefix| prefix == "instance");
        let (offset, limit) = page(&params)?;
        let found = self.records().filter(|record| {
            ours && region.is_none_or(|region| region == record.region) && id.is_none_or(|id| id == record.id)
        });
        let rows = Self::rows(found);
        let total = rows.len();
        let shown: Vec<Value> = rows.into_iter().skip(offset).take(limit).collect();
        Ok(json!({"TotalCount": total, "Offset": offset, "Limit": limit, "Rows": shown}))
    }

    pub(super) fn get_resources(&self, call: &Call) -> Answer {
        let known = ["ResourceList", "TagFilters", "PaginationToken", "MaxResults"];
        let params = Params::of_body(&call.body, &known)?;
        let list = Self::resource_list(&params)?;
        let most = usize::try_from(params.bounded("MaxResults", 1, 200)?.unwrap_or(50)).unwrap_or(50);
        let after = params.text("PaginationToken")?.unwrap_or_default();
        let mut filters = Vec::new();
        for filter in params.inners("TagFilters", &["TagKey", "TagValue"])? {
            filters.push((filter.need_text("TagKey")?, filter.texts("TagValue")?));
        }
        if filters.len() > 6 {
            return Err(value_error("TagFiltersLengthExceeded", "There may be at most 6 tag filters."));
        }
        let matches = |record: &&Record| {
            filters.iter().all(|(key, values)| {
                let value = record.tags.get(*key);
                value.is_some_and(|value| values.is_empty() || values.contains(&value.as_str()))
            })
        };
        let mut found: Vec<&Record> = match list.is_empty() {
            true => self.records().filter(|record| !record.tags.is_empty()).collect(),
            false => list.iter().map(|resource| self.described(resource)).collect::<Result<_, _>>()?,
        };
        found.retain(matches);
        found.sort_by(|a, b| a.id.cmp(&b.id));
        if list.is_empty() {
            found.retain(|record| record.id.as_str() > after);
        }
        let more = list.is_empty() && found.len() > most;
        if more {
            found.truncate(most);
        }
        let next = found.last().filter(|_| more).map_or("", |record| record.id.as_str());
        let one = |record: &&Record| {
            let tags: Vec<Value> = record.tags.iter().map(|(key, value)| tag_json(key, value)).collect();
            json!({"Resource": resource_of(record), "Tags": tags})
        };
        let set: Vec<Value> = found.iter().map(one).collect();
        Ok(json!({"PaginationToken": next, "ResourceTagMappingList": set}))
    }
}
