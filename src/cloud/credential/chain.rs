//! Which place wins?
//!
//! Order: a profile that was asked for by name; the environment; the official CLI's default profile; the role of this
//! machine. A named profile goes before the environment, as in the official CLI: who names an account and gets another buys
//! in the wrong place. Only ever reads. The environment comes in as a function and the home folder as an argument. Whether
//! the machine has a role is known only when it is asked, so the last place is not looked into here.

use super::machine::MetadataAddress;
use super::profile;
use super::types::{AssumedRole, Credential, CredentialError, Found, Origin, Source};
use crate::cloud::endpoint::without_user;
use crate::model::Secret;
use std::path::{Path, PathBuf};

/// Environment variable of the secret id (official SDK).
pub const ENV_SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
/// Environment variable of the secret key (official SDK).
pub const ENV_SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// Environment variables of the session token: the first is the SDK's, the second the Terraform provider's.
pub const ENV_TOKENS: [&str; 2] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];
/// Environment variable of a role to assume (official CLI).
pub const ENV_ROLE_ARN: &str = "TENCENTCLOUD_ROLE_ARN";
/// Environment variable of the name of its session (official CLI).
pub const ENV_ROLE_SESSION: &str = "TENCENTCLOUD_ROLE_SESSION_NAME";
/// Environment variable of the profile that is the default one (official CLI).
pub const ENV_PROFILE: &str = "TCCLI_PROFILE";
/// Environment variable of the metadata address, for a rehearsal on this machine.
pub const ENV_METADATA_URL: &str = "LHPROV_METADATA_URL";
/// The profile that is read when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// What the chain may look at.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The home folder.
    pub home: Option<&'a Path>,
    /// The profile that was asked for by name.
    pub profile: Option<&'a str>,
}

impl Surroundings<'_> {
    /// A variable without the white space that comes from copying. What is empty then counts as unset.
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn metadata(&self) -> Result<MetadataAddress, CredentialError> {
        match self.get(ENV_METADATA_URL) {
            None => Ok(MetadataAddress::default()),
            Some(text) => {
                MetadataAddress::parse(&text).ok_or_else(|| CredentialError::MetadataAddress(without_user(&text)))
            }
        }
    }

    /// The role that the environment asks for.
    fn role(&self) -> Result<Option<AssumedRole>, CredentialError> {
        profile::role(
            "the environment",
            [ENV_ROLE_ARN, ENV_ROLE_SESSION],
            self.get(ENV_ROLE_ARN),
            self.get(ENV_ROLE_SESSION),
        )
    }
}

/// One place where credentials may be: found, not there (what was looked at goes to the list), or broken.
type Link = fn(&Surroundings<'_>, &mut Vec<String>) -> Result<Option<(Origin, Source)>, CredentialError>;

/// The places in the order in which they are asked.
const CHAIN: [Link; 4] = [from_named_profile, from_environment, from_default_profile, from_machine];

/// Goes along the chain to the first credentials.
///
/// # Errors
/// A place that is half filled or broken ends the search: going on would use an account that was not meant.
pub fn find(surroundings: &Surroundings<'_>) -> Result<Found, CredentialError> {
    let mut looked_at = Vec::new();
    for link in CHAIN {
        if let Some((origin, source)) = link(surroundings, &mut looked_at)? {
            return Ok(Found { origin, source, looked_at });
        }
    }
    Err(CredentialError::Nothing { looked_at })
}

fn from_named_profile(
    around: &Surroundings<'_>,
    _: &mut Vec<String>,
) -> Result<Option<(Origin, Source)>, CredentialError> {
    let Some(name) = around.profile.filter(|name| !name.is_empty()) else { return Ok(None) };
    let path = profile_path(around.home.ok_or_else(|| CredentialError::NoHome(name.to_owned()))?, name)?;
    // Who names a profile means all of it: the role of the environment belongs to other keys.
    match read_profile(around, name, &path, None)? {
        Some(found) => Ok(Some(found)),
        None => Err(CredentialError::NoProfile { name: name.to_owned(), path }),
    }
}

fn from_environment(
    around: &Surroundings<'_>,
    looked_at: &mut Vec<String>,
) -> Result<Option<(Origin, Source)>, CredentialError> {
    let half_set = |set, missing| Err(CredentialError::HalfSet { set, missing });
    let token = ENV_TOKENS.into_iter().find_map(|name| Some((name, around.get(name)?)));
    match (around.get(ENV_SECRET_ID), around.get(ENV_SECRET_KEY), token) {
        (Some(id), Some(key), token) => {
            check(ENV_SECRET_ID, &id)?;
            check(ENV_SECRET_KEY, &key)?;
            if let Some((name, token)) = &token {
                check(name, token)?;
            }
            let keys =
                Credential { secret_id: id, secret_key: Secret::new(key), token: token.map(|(_, t)| Secret::new(t)) };
            let origin = match around.role()? {
                Some(role) => Origin::Role { keys, role },
                None => Origin::Keys(keys),
            };
            Ok(Some((origin, Source::Environment)))
        }
        (Some(_), None, _) => half_set(ENV_SECRET_ID, ENV_SECRET_KEY),
        (None, Some(_), _) => half_set(ENV_SECRET_KEY, ENV_SECRET_ID),
        (None, None, Some((name, _))) => half_set(name, ENV_SECRET_ID),
        (None, None, None) => {
            looked_at.push(format!("the environment ({ENV_SECRET_ID} and {ENV_SECRET_KEY} are not set)"));
            Ok(None)
        }
    }
}

fn from_default_profile(
    around: &Surroundings<'_>,
    looked_at: &mut Vec<String>,
) -> Result<Option<(Origin, Source)>, CredentialError> {
    let named = around.get(ENV_PROFILE);
    let name = named.as_deref().unwrap_or(DEFAULT_PROFILE);
    let Some(home) = around.home else {
        looked_at.push("the official CLI's profile (HOME is not set)".to_owned());
        return Ok(None);
    };
    let path = profile_path(home, name)?;
    let found = read_profile(around, name, &path, around.role()?)?;
    match found {
        None if named.is_some() => Err(CredentialError::NoProfile { name: name.to_owned(), path }),
        None => {
            looked_at.push(format!("the official CLI's profile ({} does not exist)", path.display()));
            Ok(None)
        }
        found => Ok(found),
    }
}

fn from_machine(around: &Surroundings<'_>, _: &mut Vec<String>) -> Result<Option<(Origin, Source)>, CredentialError> {
    // A role that is asked for and a role that is bound are two; the official CLI does not join them either.
    if around.role()?.is_some() {
        return Err(CredentialError::HalfSet { set: ENV_ROLE_ARN, missing: ENV_SECRET_ID });
    }
    Ok(Some((Origin::Machine(around.metadata()?), Source::Machine)))
}

fn read_profile(
    around: &Surroundings<'_>,
    name: &str,
    path: &Path,
    role: Option<AssumedRole>,
) -> Result<Option<(Origin, Source)>, CredentialError> {
    let source = Source::Profile { name: name.to_owned(), path: path.to_owned() };
    let origin = profile::read(name, path, role)?;
    Ok(match origin {
        // The profile says so, and the environment where to ask.
        Some(Origin::Machine(_)) => Some((Origin::Machine(around.metadata()?), source)),
        origin => origin.map(|origin| (origin, source)),
    })
}

fn profile_path(home: &Path, name: &str) -> Result<PathBuf, CredentialError> {
    if name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(CredentialError::ProfileName(name.to_owned()));
    }
    Ok(home.join(".tccli").join(format!("{name}.credential")))
}

/// Keys and tokens are visible ASCII; anything else would break the header, and says that copying went wrong.
pub(super) fn check(place: &str, value: &str) -> Result<(), CredentialError> {
    if value.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(CredentialError::StrangeCharacter { place: place.to_owned() })
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
