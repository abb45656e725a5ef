//! Whose name do requests carry? The chain of places where credentials may be, and which of them won.
//!
//! Order: a profile that was asked for by name; the environment; the official CLI's default profile. A named profile goes
//! before the environment, as in the official CLI: who names an account and gets another buys in the wrong place.
//! Only ever reads. The environment comes in as a function and the home folder as an argument.

use crate::model::Secret;
use serde_json::Value;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Environment variable of the secret id (official SDK).
pub const ENV_SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
/// Environment variable of the secret key (official SDK).
pub const ENV_SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// Environment variables of the session token: the first is the SDK's, the second the Terraform provider's.
pub const ENV_TOKENS: [&str; 2] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];
/// The profile that is read when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// A profile file is a few hundred bytes. Whatever is larger is something else, perhaps endless.
const PROFILE_BYTES_MAX: u64 = 1024 * 1024;

/// A key pair of the cloud, with the session token where it is temporary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The public half; it stands in every request.
    pub secret_id: String,
    /// The secret half.
    pub secret_key: Secret,
    /// The session token of temporary credentials.
    pub token: Option<Secret>,
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The environment variables.
    Environment,
    /// A profile of the official CLI.
    Profile {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Environment => write!(f, "environment ({ENV_SECRET_ID})"),
            Source::Profile { name, path } => write!(f, "profile `{name}` ({})", path.display()),
        }
    }
}

/// Credentials, and the link of the chain that had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The credentials.
    pub credential: Credential,
    /// Where they were.
    pub source: Source,
}

/// Why there are no credentials.
#[derive(Debug, Error)]
pub enum CredentialError {
    /// One half of a pair is set.
    #[error("{set} is set but {missing} is not; set both, or neither to use another source of credentials")]
    HalfSet {
        /// What is there.
        set: &'static str,
        /// What is missing.
        missing: &'static str,
    },
    /// A character that no key has, such as a line break from copying.
    #[error("{place} holds a character that cannot be part of it; copy it again")]
    StrangeCharacter {
        /// Which value, without the value.
        place: String,
    },
    /// A profile name that is not a file name.
    #[error("profile name `{0}` is not valid: it names a file in ~/.tccli, without a path")]
    ProfileName(String),
    /// A named profile, and no home folder to look in.
    #[error("profile `{0}` cannot be read: HOME is not set")]
    NoHome(String),
    /// A named profile that does not exist.
    #[error("profile `{name}` does not exist: there is no {path}; `tccli configure --profile {name}` makes it")]
    NoProfile {
        /// Its name.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// A profile file that cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A profile file that holds something else. Its content is not quoted: it is secret.
    #[error("{path} is not a profile of the official CLI: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nothing anywhere.
    #[error("no credentials found; looked at {}", .looked_at.join(", then "))]
    Nothing {
        /// Each place, and what is missing there.
        looked_at: Vec<String>,
    },
}

/// What the chain may look at.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The home folder.
    pub home: Option<&'a Path>,
    /// The profile that was asked for by name.
    pub profile: Option<&'a str>,
}

/// One place where credentials may be: found, not there (what was looked at goes to the list), or broken.
type Link = fn(&Surroundings<'_>, &mut Vec<String>) -> Result<Option<Found>, CredentialError>;

/// The places in the order in which they are asked.
const CHAIN: [Link; 3] = [from_named_profile, from_environment, from_default_profile];

/// Goes along the chain to the first credentials.
///
/// # Errors
/// A place that is half filled or broken ends the search: going on would use an account that was not meant.
pub fn find(surroundings: &Surroundings<'_>) -> Result<Found, CredentialError> {
    let mut looked_at = Vec::new();
    for link in CHAIN {
        if let Some(found) = link(surroundings, &mut looked_at)? {
            return Ok(found);
        }
    }
    Err(CredentialError::Nothing { looked_at })
}

fn from_named_profile(around: &Surroundings<'_>, _: &mut Vec<String>) -> Result<Option<Found>, CredentialError> {
    let Some(name) = around.profile.filter(|name| !name.is_empty()) else { return Ok(None) };
    let path = profile_path(around.home.ok_or_else(|| CredentialError::NoHome(name.to_owned()))?, name)?;
    match read_profile(name, &path)? {
        Some(found) => Ok(Some(found)),
        None => Err(CredentialError::NoProfile { name: name.to_owned(), path }),
    }
}

fn from_environment(around: &Surroundings<'_>, looked_at: &mut Vec<String>) -> Result<Option<Found>, CredentialError> {
    // White space around a value comes from copying and belongs to no key. What is empty then counts as unset.
    let variable =
        |name: &str| (around.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let half_set = |set, missing| Err(CredentialError::HalfSet { set, missing });
    let token = ENV_TOKENS.into_iter().find_map(|name| Some((name, variable(name)?)));
    match (variable(ENV_SECRET_ID), variable(ENV_SECRET_KEY), token) {
        (Some(id), Some(key), token) => {
            check(ENV_SECRET_ID, &id)?;
            check(ENV_SECRET_KEY, &key)?;
            if let Some((name, token)) = &token {
                check(name, token)?;
            }
            let credential =
                Credential { secret_id: id, secret_key: Secret::new(key), token: token.map(|(_, t)| Secret::new(t)) };
            Ok(Some(Found { credential, source: Source::Environment }))
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
) -> Result<Option<Found>, CredentialError> {
    let Some(home) = around.home else {
        looked_at.push("the official CLI's profile (HOME is not set)".to_owned());
        return Ok(None);
    };
    let path = profile_path(home, DEFAULT_PROFILE)?;
    let found = read_profile(DEFAULT_PROFILE, &path)?;
    if found.is_none() {
        looked_at.push(format!("the official CLI's profile ({} does not exist)", path.display()));
    }
    Ok(found)
}

fn profile_path(home: &Path, name: &str) -> Result<PathBuf, CredentialError> {
    if name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(CredentialError::ProfileName(name.to_owned()));
    }
    Ok(home.join(".tccli").join(format!("{name}.credential")))
}

/// Reads a profile: JSON with `secretId`, `secretKey` and, where temporary, `token`. `None` if there is no such file.
fn read_profile(name: &str, path: &Path) -> Result<Option<Found>, CredentialError> {
    let Some(text) = read_small_file(path)? else { return Ok(None) };
    let malformed = |problem: String| CredentialError::Malformed { path: path.to_owned(), problem };
    // The parser's message has line and column, but may quote what it found.
    let profile: Value = serde_json::from_str(&text)
        .map_err(|error| malformed(format!("no valid JSON at line {}, column {}", error.line(), error.column())))?;
    let field = |field: &str| -> Result<Option<String>, CredentialError> {
        match profile.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(value)) => {
                let value = value.trim();
                check(&format!("`{field}` in {}", path.display()), value)?;
                Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
            }
            Some(_) => Err(malformed(format!("`{field}` is not a text"))),
        }
    };
    match (field("secretId")?, field("secretKey")?) {
        (Some(secret_id), Some(key)) => {
            let credential =
                Credential { secret_id, secret_key: Secret::new(key), token: field("token")?.map(Secret::new) };
            let source = Source::Profile { name: name.to_owned(), path: path.to_owned() };
            Ok(Some(Found { credential, source }))
        }
        (None, Some(_)) => Err(malformed("`secretId` is missing".to_owned())),
        (Some(_), None) => Err(malformed("`secretKey` is missing".to_owned())),
        (None, None) => Err(malformed(
            "`secretId` and `secretKey` are missing; profiles that assume a role are not supported, \
             use temporary credentials in the environment"
                .to_owned(),
        )),
    }
}

fn read_small_file(path: &Path) -> Result<Option<String>, CredentialError> {
    use std::io::Read;
    let unreadable = |source| CredentialError::Unreadable { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = String::new();
    file.take(PROFILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > PROFILE_BYTES_MAX {
        let problem = format!("larger than {PROFILE_BYTES_MAX} bytes");
        return Err(CredentialError::Malformed { path: path.to_owned(), problem });
    }
    Ok(Some(text))
}

/// Keys and tokens are visible ASCII; anything else would break the header, and says that copying went wrong.
fn check(place: &str, value: &str) -> Result<(), CredentialError> {
    if value.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(CredentialError::StrangeCharacter { place: place.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Case {
        variables: BTreeMap<&'static str, &'static str>,
        home: tempfile::TempDir,
        profile: Option<&'static str>,
    }

    impl Case {
        fn new(variables: &[(&'static str, &'static str)]) -> Self {
            let home = tempfile::tempdir().expect("a folder");
            std::fs::create_dir(home.path().join(".tccli")).expect("a folder");
            Self { variables: variables.iter().copied().collect(), home, profile: None }
        }

        fn with_profile(self, name: &str, text: &str) -> Self {
            std::fs::write(self.home.path().join(format!(".tccli/{name}.credential")), text).expect("a file");
            self
        }

        fn named(mut self, name: &'static str) -> Self {
            self.profile = Some(name);
            self
        }

        fn find(&self) -> Result<Found, CredentialError> {
            find(&Surroundings {
                variable: &|name| self.variables.get(name).map(|value| (*value).to_owned()),
                home: Some(self.home.path()),
                profile: self.profile,
            })
        }

        fn told(&self) -> String {
            let error = self.find().expect_err("an error").to_string();
            error.replace(&self.home.path().display().to_string(), "~")
        }
    }

    const PROFILE: &str = r#"{"secretId": "AKIDfile", "secretKey": "keyfile", "token": null}"#;

    #[test]
    fn environment_first() {
        let found = Case::new(&[(ENV_SECRET_ID, "AKIDenv"), (ENV_SECRET_KEY, " keyenv\n"), ("TENCENTCLOUD_TOKEN", "")])
            .with_profile("default", PROFILE)
            .find()
            .expect("found");
        assert_eq!(found.source, Source::Environment);
        assert_eq!(found.credential.secret_id, "AKIDenv");
        assert_eq!(found.credential.secret_key.expose(), "keyenv");
        assert_eq!(found.credential.token, None);
    }

    #[test]
    fn either_name_of_the_token() {
        for name in ENV_TOKENS {
            let found =
                Case::new(&[(ENV_SECRET_ID, "a"), (ENV_SECRET_KEY, "b"), (name, "session")]).find().expect("found");
            assert_eq!(found.credential.token, Some(Secret::new("session")));
        }
    }

    #[test]
    fn profile_when_the_environment_is_empty() {
        let found = Case::new(&[(ENV_SECRET_ID, ""), (ENV_SECRET_KEY, "")])
            .with_profile("default", PROFILE)
            .find()
            .expect("found");
        assert!(matches!(&found.source, Source::Profile { name, .. } if name == "default"));
        assert_eq!(found.credential.secret_id, "AKIDfile");
    }

    #[test]
    fn named_profile_goes_before_the_environment() {
        let case = Case::new(&[(ENV_SECRET_ID, "AKIDenv"), (ENV_SECRET_KEY, "keyenv")])
            .with_profile("prod", &PROFILE.replace("null", "\"session\""))
            .named("prod");
        let found = case.find().expect("found");
        assert_eq!(found.credential.secret_id, "AKIDfile");
        assert_eq!(found.credential.token, Some(Secret::new("session")));
    }

    #[test]
    fn half_set_environment_is_an_error() {
        let text = Case::new(&[(ENV_SECRET_ID, "AKID")]).with_profile("default", PROFILE).told();
        assert_eq!(
            text,
            "TENCENTCLOUD_SECRET_ID is set but TENCENTCLOUD_SECRET_KEY is not; \
             set both, or neither to use another source of credentials"
        );
        assert!(Case::new(&[(ENV_SECRET_KEY, "k")]).told().starts_with("TENCENTCLOUD_SECRET_KEY is set but"));
        assert!(
            Case::new(&[("TENCENTCLOUD_SECURITY_TOKEN", "t")]).told().contains("TENCENTCLOUD_SECURITY_TOKEN is set")
        );
    }

    #[test]
    fn nothing_names_what_was_looked_at() {
        assert_eq!(
            Case::new(&[]).told(),
            "no credentials found; looked at the environment (TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY are \
             not set), then the official CLI's profile (~/.tccli/default.credential does not exist)"
        );
        let error = find(&Surroundings { variable: &|_| None, home: None, profile: None }).expect_err("nothing");
        assert!(error.to_string().contains("HOME is not set"));
    }

    #[test]
    fn broken_profiles_say_what_is_wrong_and_quote_nothing() {
        for (text, problem) in [
            ("", "no valid JSON at line 1, column 0"),
            (r#"{"secretId": "AKID", "secretKey": SECRET}"#, "no valid JSON at line 1"),
            (r#"{"secretId": "AKID"}"#, "`secretKey` is missing"),
            (r#"{"secretKey": "SECRET"}"#, "`secretId` is missing"),
            (r#"{"roleArn": "qcs::cam"}"#, "assume a role are not supported"),
            (r#"{"secretId": 7, "secretKey": "SECRET"}"#, "`secretId` is not a text"),
            (r#"{"secretId": "AK\nID", "secretKey": "SECRET"}"#, "`secretId` in ~/.tccli/default.credential holds"),
            ("[]", "are missing"),
        ] {
            let told = Case::new(&[]).with_profile("default", text).told();
            assert!(told.contains(problem), "{text}: {told}");
            assert!(!told.contains("SECRET"), "{told}");
        }
    }

    #[test]
    fn names_of_profiles() {
        assert!(
            Case::new(&[]).named("prod").told().starts_with("profile `prod` does not exist: there is no ~/.tccli/prod")
        );
        assert!(Case::new(&[]).named("../../etc/passwd").told().contains("is not valid"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let found = Case::new(&[(ENV_SECRET_ID, "AKID"), (ENV_SECRET_KEY, "hush"), (ENV_TOKENS[0], "session")]).find();
        let shown = format!("{found:?}");
        assert!(shown.contains("AKID") && !shown.contains("hush") && !shown.contains("session"), "{shown}");
    }
}
