//! What a CreateInstances asks for: its parameters, checked against each other and the catalogue. Quota, stock and
//! balance are looked at later.

use super::call::{ApiError, Call};
use super::catalogue::{self, Blueprint, Bundle};
use super::params::{Params, well_formed, wrong};
use super::record::Login;
use super::tags::check_tag;
use crate::cloud::limits::{CLIENT_TOKEN_MAX, CREATE_BATCH_MAX, INSTANCE_NAME_MAX};
use crate::model::digest::{canonical, sha256_hex};
use crate::model::{RenewFlag, Site, tag};
use serde_json::json;
use std::collections::BTreeMap;

const FIELDS: [&str; 11] = [
    "BundleId",
    "BlueprintId",
    "InstanceChargePrepaid",
    "InstanceName",
    "InstanceCount",
    "Zones",
    "DryRun",
    "ClientToken",
    "LoginConfiguration",
    "Containers",
    "AutoVoucher",
];

const CHINA_FIELDS: [&str; 5] = ["FirewallTemplateId", "Tags", "InitCommand", "DomainName", "Subdomain"];

/// Longest `InitCommand.Content`, in bytes.
const COMMAND_MAX: usize = 64 * 1024;

/// A purchase as asked for.
#[derive(Debug)]
pub struct Order {
    /// Package.
    pub bundle: &'static Bundle,
    /// Image.
    pub blueprint: &'static Blueprint,
    /// Months.
    pub period: u32,
    /// At the end of the paid time.
    pub renew_flag: String,
    /// How many.
    pub count: u32,
    /// Name, if given.
    pub name: Option<String>,
    /// Zones to choose from; never empty.
    pub zones: Vec<&'static str>,
    /// Whether the zones were named.
    pub zones_given: bool,
    /// Whether to check only.
    pub dry_run: bool,
    /// Token.
    pub token: Option<String>,
    /// Digest of the region and of all parameters but the token.
    pub digest: String,
    /// How one logs in.
    pub login: Login,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Whether a command runs after creation.
    pub command: bool,
    /// The firewall template, if one was named.
    pub firewall_template: Option<String>,
}

pub(super) fn clash(message: impl Into<String>) -> ApiError {
    wrong("InvalidParameterValue.InvalidParameterCombination", message)
}

pub(super) fn bad_value(message: impl Into<String>) -> ApiError {
    wrong("InvalidParameterValue", message)
}

/// Longest time that can be bought at once, in months.
pub const PURCHASE_MAX: u32 = 60;

/// Longest time that an instance can be renewed for at once, in months.
pub const RENEWAL_MAX: u32 = 36;

/// The prepaid time of a request, no longer than `most` months: months and renew flag.
///
/// # Errors
/// The API's error.
pub fn charge(params: &Params<'_>, most: u32) -> Result<(u32, String), ApiError> {
    let inner = params.need_inner("InstanceChargePrepaid", &["Period", "RenewFlag"])?;
    let period = inner.need_integer("Period")?;
    let sold = |months: &u32| *months <= most && matches!(months, 1..=12 | 24 | 36 | 48 | 60);
    let months = u32::try_from(period).ok().filter(sold).ok_or_else(|| {
        let longer = [24, 36, 48, 60].iter().filter(|months| **months <= most);
        let longer: Vec<String> = longer.map(u32::to_string).collect();
        let message = format!("The period {period} is none of 1 to 12, {}.", longer.join(", "));
        wrong("InvalidParameterValue.OutOfRange", message)
    })?;
    Ok((months, renew_flag(inner.text("RenewFlag")?.unwrap_or(RenewFlag::default().as_str()))?))
}

/// A renew flag.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn renew_flag(flag: &str) -> Result<String, ApiError> {
    match RenewFlag::ALL.iter().any(|(text, _)| *text == flag) {
        true => Ok(flag.to_owned()),
        false => Err(bad_value(format!("`{flag}` is no renew flag."))),
    }
}

/// The bundle of a request.
///
/// # Errors
/// The API's error.
pub fn bundle(site: Site, params: &Params<'_>) -> Result<&'static Bundle, ApiError> {
    let id = params.need_text("BundleId")?;
    catalogue::find_bundle(site, id)
        .ok_or_else(|| wrong("InvalidParameter.BundleIdNotFound", format!("The bundle `{id}` does not exist.")))
}

/// The blueprint `id`, if it fits `bundle`.
///
/// # Errors
/// The API's error.
pub fn blueprint(id: &str, bundle: &Bundle) -> Result<&'static Blueprint, ApiError> {
    if !well_formed(id, "lhbp-") {
        let message = format!("The blueprint id `{id}` is malformed.");
        return Err(wrong("InvalidParameterValue.BlueprintIdMalformed", message));
    }
    let blueprint = catalogue::find_blueprint(id).ok_or_else(|| {
        wrong("ResourceNotFound.BlueprintIdNotFound", format!("The blueprint `{id}` does not exist."))
    })?;
    if !(if blueprint.windows { bundle.windows } else { bundle.linux }) {
        let message = format!("The bundle `{}` does not support {}.", bundle.id, blueprint.platform_type());
        return Err(wrong("InvalidParameterValue.BundleNotSupportBlueprintPlatform", message));
    }
    if blueprint.disk > bundle.disk || blueprint.memory > bundle.memory {
        let message = format!("The blueprint `{id}` needs more disk or memory than `{}` has.", bundle.id);
        return Err(wrong("InvalidParameterValue.BundleAndBlueprintNotMatch", message));
    }
    Ok(blueprint)
}

impl Order {
    /// Reads a call.
    ///
    /// # Errors
    /// The API's error.
    pub fn read(site: Site, call: &Call) -> Result<Self, ApiError> {
        let china = site == Site::China;
        let mut known = FIELDS.to_vec();
        if china {
            known.extend(CHINA_FIELDS);
        }
        let params = Params::of_body(&call.body, &known)?;
        let bundle = bundle(site, &params)?;
        let blueprint = blueprint(params.need_text("BlueprintId")?, bundle)?;
        let (period, renew_flag) = charge(&params, PURCHASE_MAX)?;
        let most = i64::try_from(CREATE_BATCH_MAX).unwrap_or(30);
        let count = params.bounded("InstanceCount", 1, most)?.unwrap_or(1);
        let name = params.text("InstanceName")?.filter(|name| !name.is_empty());
        if name.is_some_and(|name| name.chars().count() > INSTANCE_NAME_MAX) {
            let message = format!("The instance name is longer than {INSTANCE_NAME_MAX} characters.");
            return Err(wrong("InvalidParameterValue.InstanceNameTooLong", message));
        }
        params.boolean("AutoVoucher")?;
        let (zones, zones_given) = zones(site, &params, &call.region)?;
        let login = login(site, &params, blueprint)?;
        containers(china, &params, blueprint)?;
        let command = china && command(&params)?;
        let tags = if china { tags(&params)? } else { BTreeMap::new() };
        let firewall_template = if china { firewall(&params)? } else { None };
        if china {
            domain(&params, count)?;
        }
        Ok(Self {
            bundle,
            blueprint,
            period,
            renew_flag,
            count: u32::try_from(count).unwrap_or(1),
            name: name.map(str::to_owned),
            zones,
            zones_given,
            dry_run: params.boolean("DryRun")?.unwrap_or(false),
            token: token(&params)?,
            digest: digest(call),
            login,
            tags,
            command,
            firewall_template,
        })
    }
}

fn digest(call: &Call) -> String {
    let mut body = call.body.clone();
    if let Some(map) = body.as_object_mut() {
        map.remove("ClientToken");
    }
    sha256_hex(canonical(&json!([call.region, body])).as_bytes())
}

fn token(params: &Params<'_>) -> Result<Option<String>, ApiError> {
    let Some(token) = params.text("ClientToken")?.filter(|token| !token.is_empty()) else { return Ok(None) };
    if token.len() > CLIENT_TOKEN_MAX {
        let message = format!("The client token is longer than {CLIENT_TOKEN_MAX} characters.");
        return Err(wrong("InvalidParameterValue.ClientTokenTooLong", message));
    }
    if !token.is_ascii() {
        return Err(bad_value("The client token must be ASCII."));
    }
    Ok(Some(token.to_owned()))
}

fn zones(site: Site, params: &Params<'_>, region: &str) -> Result<(Vec<&'static str>, bool), ApiError> {
    let all = catalogue::find_region(site, region).map_or(&[][..], |region| region.zones);
    let wanted = params.texts("Zones")?;
    if wanted.is_empty() {
        return Ok((all.to_vec(), false));
    }
    let find = |zone: &&str| {
        let found = all.iter().copied().find(|known| known == zone);
        found.ok_or_else(|| {
            wrong("InvalidParameterValue.ZoneInvalid", format!("The zone `{zone}` is not in `{region}`."))
        })
    };
    Ok((wanted.iter().map(find).collect::<Result<_, _>>()?, true))
}

/// Checks how one logs in.
///
/// # Errors
/// The API's error.
pub fn login(site: Site, params: &Params<'_>, blueprint: &Blueprint) -> Result<Login, ApiError> {
    let known = ["AutoGeneratePassword", "Password", "KeyIds"];
    let Some(login) = params.inner("LoginConfiguration", &known)? else { return Ok(Login::default()) };
    let auto = login.text("AutoGeneratePassword")?;
    let password = login.text("Password")?;
    let keys = login.texts("KeyIds")?;
    if auto.is_some_and(|auto| !["YES", "NO"].contains(&auto)) {
        return Err(bad_value("AutoGeneratePassword is YES or NO."));
    }
    match (auto, password) {
        (Some("YES"), Some(_)) => return Err(clash("A password cannot be both given and generated.")),
        (Some("NO"), None) if keys.is_empty() => return Err(clash("AutoGeneratePassword NO needs a password.")),
        _ => {}
    }
    if !keys.is_empty() && (password.is_some() || auto == Some("YES")) {
        return Err(clash("KeyIds cannot be given together with a password."));
    }
    if !keys.is_empty() && blueprint.windows {
        let message = "SSH key pairs are not available for Windows instances.";
        return Err(wrong("UnsupportedOperation.WindowsNotSupportKeyPair", message));
    }
    if keys.len() > 5 {
        return Err(wrong("LimitExceeded", "At most 5 key pairs can be bound."));
    }
    for key in &keys {
        if !well_formed(key, "lhkp-") {
            return Err(wrong("InvalidParameterValue.KeyPairIdMalformed", format!("The id `{key}` is malformed.")));
        }
        if !catalogue::exists_elsewhere(key) {
            return Err(wrong("ResourceNotFound.KeyPairNotFound", format!("The key pair `{key}` does not exist.")));
        }
    }
    if let Some(password) = password {
        if site == Site::International && !blueprint.windows {
            let message = "The password cannot be set upon creation of a Linux instance.";
            return Err(wrong("UnsupportedOperation.InstanceLinuxUnixCreatingNotSupportPassword", message));
        }
        if !good_password(password, blueprint.windows, "administrator") {
            return Err(wrong("InvalidParameterValue.InvalidPassword", "The password does not meet the rules."));
        }
    }
    Ok(Login {
        keys: keys.into_iter().map(str::to_owned).collect(),
        user: None,
        password: password.map(password_digest).or_else(|| (auto == Some("YES")).then(|| GENERATED.to_owned())),
    })
}

/// Stands for the digest of a password that the service made itself.
const GENERATED: &str = "generated";

/// What is kept of a password: enough to see whether it is the same.
pub fn password_digest(password: &str) -> String {
    sha256_hex(format!("sandbox password\0{password}").as_bytes())
}

/// Whether a password follows the rules for the system and its user.
pub fn good_password(password: &str, windows: bool, user: &str) -> bool {
    let length = if windows { 12..=30 } else { 8..=30 };
    let kinds: [fn(&char) -> bool; 4] =
        [char::is_ascii_lowercase, char::is_ascii_uppercase, char::is_ascii_digit, char::is_ascii_punctuation];
    length.contains(&password.chars().count())
        && password.chars().all(|c| c.is_ascii_graphic())
        && !password.starts_with('/')
        && kinds.iter().filter(|kind| password.chars().any(|c| kind(&c))).count() >= 3
        && !(windows && password.to_lowercase().contains(&user.to_lowercase()))
}

/// Checks the containers.
///
/// # Errors
/// The API's error.
pub fn containers(china: bool, params: &Params<'_>, blueprint: &Blueprint) -> Result<(), ApiError> {
    let mut known = vec!["ContainerImage", "ContainerName", "Envs", "PublishPorts", "Volumes", "Command"];
    if china {
        known.push("RestartPolicy");
    }
    let containers = params.inners("Containers", &known)?;
    if !containers.is_empty() && blueprint.kind != "DOCKER" {
        return Err(clash("Containers need a Docker blueprint."));
    }
    for container in containers {
        container.need_text("ContainerImage")?;
        container.text("ContainerName")?;
        container.text("Command")?;
        for env in container.inners("Envs", &["Key", "Value"])? {
            env.need_text("Key")?;
            env.need_text("Value")?;
        }
        for port in container.inners("PublishPorts", &["HostPort", "ContainerPort", "Ip", "Protocol"])? {
            for name in ["HostPort", "ContainerPort"] {
                port.need_integer(name)?;
                port.bounded(name, 1, 65_535)?;
            }
            port.text("Ip")?;
            if let Some(other) = port.text("Protocol")?.filter(|text| !["tcp", "udp", "sctp"].contains(text)) {
                return Err(bad_value(format!("`{other}` is no protocol of a port.")));
            }
        }
        for volume in container.inners("Volumes", &["ContainerPath", "HostPath"])? {
            volume.need_text("ContainerPath")?;
            volume.text("HostPath")?;
        }
        let policy = container.text("RestartPolicy")?.unwrap_or("no");
        if !["no", "always"].contains(&policy) && !policy.starts_with("on-failure") {
            return Err(bad_value(format!("`{policy}` is no restart policy.")));
        }
    }
    Ok(())
}

/// Checks the command; says whether there is one.
fn command(params: &Params<'_>) -> Result<bool, ApiError> {
    let known = ["Content", "Timeout", "WorkingDirectory", "Username"];
    let Some(command) = params.inner("InitCommand", &known)? else { return Ok(false) };
    let content = command.need_text("Content")?;
    if content.len() > COMMAND_MAX {
        let message = "The content of the command is longer than 64 KB.";
        return Err(wrong("FailedOperation.InitCommandContentTooLong", message));
    }
    let base64 = |b: u8| b.is_ascii_alphanumeric() || [b'+', b'/', b'='].contains(&b);
    if !content.len().is_multiple_of(4) || !content.bytes().all(base64) {
        return Err(bad_value("The content of the command is not base64."));
    }
    command.bounded("Timeout", 1, 86_400)?;
    command.text("WorkingDirectory")?;
    command.text("Username")?;
    Ok(true)
}

/// The tags of a request.
///
/// # Errors
/// The API's error.
pub fn tags(params: &Params<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let list = params.inners("Tags", &["Key", "Value"])?;
    if list.len() > tag::AT_CREATION_MAX {
        return Err(wrong("LimitExceeded", format!("At most {} tags can be bound.", tag::AT_CREATION_MAX)));
    }
    let mut tags = BTreeMap::new();
    for one in list {
        let (key, value) = (one.need_text("Key")?, one.need_text("Value")?);
        check_tag(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(bad_value(format!("The tag `{key}` is given more than once.")));
        }
    }
    Ok(tags)
}

fn firewall(params: &Params<'_>) -> Result<Option<String>, ApiError> {
    let template = params.text("FirewallTemplateId")?;
    template.map_or(Ok(()), check_template)?;
    Ok(template.map(str::to_owned))
}

/// A template id that the account may use.
pub(super) fn check_template(id: &str) -> Result<(), ApiError> {
    if !well_formed(id, "lhft-") {
        let message = format!("The id `{id}` is malformed.");
        return Err(wrong("InvalidParameterValue.FirewallTemplateIdMalformed", message));
    }
    if !catalogue::exists_elsewhere(id) {
        let message = format!("The firewall template `{id}` does not exist.");
        return Err(wrong("ResourceNotFound.FirewallTemplateNotFound", message));
    }
    Ok(())
}

fn domain(params: &Params<'_>, count: i64) -> Result<(), ApiError> {
    let (main, sub) = (params.text("DomainName")?, params.text("Subdomain")?);
    if sub.is_some() && main.is_none() {
        return Err(wrong("MissingParameter", "Subdomain needs DomainName."));
    }
    if main.is_some() && count != 1 {
        return Err(clash("With DomainName, InstanceCount must be 1."));
    }
    Ok(())
}
