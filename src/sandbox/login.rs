//! How one logs in to an instance that exists: key pairs and passwords.

use super::account::{Account, done};
use super::call::{Answer, ApiError, Call};
use super::catalogue;
use super::operate::ready;
use super::order::{good_password, password_digest};
use super::params::{Filter, Params, exclusive, wrong};
use super::record::{Effect, Record, State};
use super::settings::BindKeys;
use crate::model::Site;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most instances and most key pairs in one call.
const LOGIN_BATCH_MAX: usize = 100;

const MALFORMED: &str = "InvalidParameterValue.KeyPairIdMalformed";

/// What an AssociateInstancesKeyPairs or its opposite asks for.
struct Binding<'a> {
    keys: Vec<&'a str>,
    ids: Vec<&'a str>,
    online: bool,
    user: Option<&'a str>,
}

impl<'a> Binding<'a> {
    fn read(site: Site, call: &'a Call, kind: &'static str) -> Result<Self, ApiError> {
        let mut known = vec!["KeyIds", "InstanceIds"];
        if site == Site::China {
            known.extend([kind, "Username"]);
        }
        let params = Params::of_body(&call.body, &known)?;
        let keys = params.ids("KeyIds", "lhkp-", MALFORMED, LOGIN_BATCH_MAX)?;
        if keys.is_empty() {
            return Err(wrong("MissingParameter", "The request is missing the required parameter `KeyIds`."));
        }
        if let Some(key) = keys.iter().find(|key| !catalogue::exists_elsewhere(key)) {
            return Err(wrong("ResourceNotFound.KeyIdNotFound", format!("The key pair `{key}` does not exist.")));
        }
        let ids = params.need_instance_ids(LOGIN_BATCH_MAX)?;
        let online = match params.text(kind)? {
            Some("ONLINE") => true,
            Some("OFFLINE") | None => false,
            Some(other) => {
                let message = format!("`{other}` is neither ONLINE nor OFFLINE.");
                return Err(wrong("InvalidParameterValue.OutOfRange", message));
            }
        };
        let user = params.text("Username")?;
        if user.is_some() && params.text(kind)? == Some("OFFLINE") {
            return Err(wrong("InvalidParameterValue", "Username does not go with OFFLINE."));
        }
        Ok(Self { keys, ids, online, user })
    }
}

/// Created, idle, running or stopped, and a Linux.
fn takes_keys(record: &Record) -> Result<(), ApiError> {
    if record.is_windows() {
        let message = "SSH key pairs are not available for Windows instances.";
        return Err(wrong("UnsupportedOperation.WindowsNotSupportKeyPair", message));
    }
    ready(record, &[State::Running, State::Stopped])
}

impl Account {
    pub(super) fn associate_keys(&mut self, call: &Call) -> Answer {
        let binding = Binding::read(self.settings.site, call, "AssociateType")?;
        let records = self.checked(call, &binding.ids, |record| {
            takes_keys(record)?;
            match binding.keys.iter().find(|key| record.keys.iter().any(|bound| bound == *key)) {
                Some(key) => {
                    let message = format!("The key pair `{key}` is bound to `{}` already.", record.id);
                    Err(wrong("UnsupportedOperation.KeyPairBindDuplicate", message))
                }
                None => Ok(()),
            }
        })?;
        for record in records {
            let mut keys = match self.settings.bind_keys {
                BindKeys::Replace => Vec::new(),
                BindKeys::Add => record.keys.clone(),
            };
            keys.extend(binding.keys.iter().map(|key| (*key).to_owned()));
            let effect = Effect::Keys(keys, binding.user.map(str::to_owned));
            self.begin_binding(call, record, binding.online, effect);
        }
        self.advance(call.now);
        done()
    }

    pub(super) fn disassociate_keys(&mut self, call: &Call) -> Answer {
        let binding = Binding::read(self.settings.site, call, "DisassociateType")?;
        let records = self.checked(call, &binding.ids, |record| {
            takes_keys(record)?;
            if let Some(key) = binding.keys.iter().find(|key| !record.keys.iter().any(|bound| bound == *key)) {
                let message = format!("The key pair `{key}` is not bound to `{}`.", record.id);
                return Err(wrong("UnsupportedOperation.KeyPairNotBoundToInstance", message));
            }
            let bound_for = record.key_user.as_deref().unwrap_or(record.default_user());
            match binding.user.filter(|user| *user != bound_for) {
                Some(user) => {
                    let message = format!("The key pairs of `{}` are for `{bound_for}`, not `{user}`.", record.id);
                    Err(wrong("UnsupportedOperation.KeyPairUnbindUsernameMismatch", message))
                }
                None => Ok(()),
            }
        })?;
        for record in records {
            let keys: Vec<String> =
                record.keys.iter().filter(|key| !binding.keys.contains(&key.as_str())).cloned().collect();
            let user = record.key_user.clone().filter(|_| !keys.is_empty());
            self.begin_binding(call, record, binding.online, Effect::Keys(keys, user));
        }
        self.advance(call.now);
        done()
    }

    fn begin_binding(&mut self, call: &Call, record: Record, online: bool, effect: Effect) {
        if online {
            self.begin_in_place(call, record, effect);
        } else {
            self.begin_shut_down(call, record, (effect, 0));
        }
    }

    pub(super) fn reset_password(&mut self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["InstanceIds", "Password", "UserName"])?;
        let ids = params.need_instance_ids(LOGIN_BATCH_MAX)?;
        let password = params.need_text("Password")?;
        let user = params.text("UserName")?;
        if user.is_some_and(|user| user.chars().count() > 64) {
            return Err(wrong("InvalidParameterValue.OutOfRange", "The user name is longer than 64 characters."));
        }
        let records = self.checked(call, &ids, |record| ready(record, &[State::Running, State::Stopped]))?;
        let windows = records.iter().any(Record::is_windows);
        if !good_password(password, windows, user.unwrap_or("administrator")) {
            return Err(wrong("InvalidParameterValue.InvalidPassword", "The password does not meet the rules."));
        }
        let digest = password_digest(password);
        for record in records {
            self.begin_shut_down(call, record, (Effect::Password(digest.clone()), 0));
        }
        self.advance(call.now);
        done()
    }

    /// Key pairs are not kept, only what they are bound to: those of the region's instances, and each that is asked for.
    pub(super) fn describe_keys(&self, call: &Call) -> Answer {
        let params = Params::of_body(&call.body, &["KeyIds", "Offset", "Limit", "Filters"])?;
        let asked = params.ids("KeyIds", "lhkp-", MALFORMED, LOGIN_BATCH_MAX)?;
        let names = ["key-id", "key-name", "tag-key", "tag-value"];
        let filters = params.filters(5, |name| names.contains(&name) || name.starts_with("tag:"))?;
        exclusive(&asked, &filters)?;
        let page = params.page()?;
        let mut bound: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in self.region_records(&call.region) {
            for key in &record.keys {
                bound.entry(key).or_default().push(record);
            }
        }
        if !asked.is_empty() {
            let known = asked.iter().filter(|key| catalogue::exists_elsewhere(key));
            bound = known.map(|key| (*key, bound.remove(key).unwrap_or_default())).collect();
        }
        let found: Vec<_> =
            bound.into_iter().filter(|(key, _)| filters.iter().all(|filter| key_matches(key, filter))).collect();
        let total = found.len();
        let site = self.settings.site;
        let set: Vec<Value> = page.of(found).into_iter().map(|(key, on)| key_json(site, key, &on)).collect();
        Ok(json!({"TotalCount": total, "KeyPairSet": set}))
    }
}

fn key_name(key: &str) -> String {
    key.replace('-', "_")
}

fn key_matches(key: &str, filter: &Filter<'_>) -> bool {
    match filter.name {
        "key-id" => filter.has(key),
        "key-name" => filter.values.iter().any(|part| key_name(key).contains(part)),
        // No key pair has tags.
        _ => false,
    }
}

fn key_json(site: Site, key: &str, on: &[&Record]) -> Value {
    let ids: Vec<&str> = on.iter().map(|record| record.id.as_str()).collect();
    let mut shown = json!({
        "KeyId": key,
        "KeyName": key_name(key),
        "PublicKey": format!("ssh-rsa {} sandbox", key.trim_start_matches("lhkp-")),
        "AssociatedInstanceIds": ids,
        "CreatedTime": "2023-01-01T00:00:00Z",
        "PrivateKey": null,
    });
    if let (Site::China, Some(map)) = (site, shown.as_object_mut()) {
        let one = |record: &&Record| {
            let user = record.key_user.as_deref().unwrap_or(record.default_user());
            json!({"InstanceId": record.id, "Username": user})
        };
        map.insert("AssociatedInstanceSet".into(), on.iter().map(one).collect());
        map.insert("Tags".into(), json!([]));
    }
    shown
}
