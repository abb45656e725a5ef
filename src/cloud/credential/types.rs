//! Credentials, where they come from, and why there are none.

use super::machine::{MachineError, MetadataAddress};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::model::{Secret, Timestamp};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

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

/// Credentials that are good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The credentials.
    pub credential: Credential,
    /// When they end, by the issuer's word; none where nobody said, or never.
    pub expires: Option<Timestamp>,
}

/// A role to take on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// `qcs::cam::uin/ACCOUNT:roleName/NAME`.
    pub arn: String,
    /// The name under which the session is recorded.
    pub session: String,
}

/// A profile that somebody logged in to with the official CLI, which alone can renew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The profile's name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The keys as they were read first.
    pub credential: Credential,
    /// When those end.
    pub expires: Timestamp,
}

/// How credentials are come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They are there.
    Keys(Credential),
    /// Keys that are good for taking on a role.
    Role {
        /// The keys.
        keys: Credential,
        /// The role.
        role: AssumedRole,
    },
    /// A login of the official CLI; its file is read again when it ends.
    Login(Login),
    /// The role that is bound to this machine.
    Machine(MetadataAddress),
}

impl From<Credential> for Origin {
    fn from(credential: Credential) -> Self {
        Origin::Keys(credential)
    }
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
    /// The role of this machine, since no other place had anything.
    Machine,
    /// Whoever called said so.
    Given,
}

/// The link of the chain that won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How the credentials are come by.
    pub origin: Origin,
    /// Where that was said.
    pub source: Source,
    /// What was looked at before it, and what was missing there.
    pub looked_at: Vec<String>,
}

impl From<Credential> for Found {
    fn from(credential: Credential) -> Self {
        Self { origin: credential.into(), source: Source::Given, looked_at: Vec::new() }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Environment => write!(f, "environment ({})", super::ENV_SECRET_ID)?,
            Source::Profile { name, path } => write!(f, "profile `{name}` ({})", path.display())?,
            Source::Given => f.write_str("given keys")?,
            Source::Machine => {}
        }
        match (&self.origin, &self.source) {
            (Origin::Machine(address), Source::Machine) => write!(f, "role of this machine ({address})"),
            (Origin::Machine(address), _) => write!(f, ", role of this machine ({address})"),
            (Origin::Role { role, .. }, _) => write!(f, ", role {} as `{}`", role.arn, role.session),
            (Origin::Login(_), _) => f.write_str(", a login of the official CLI"),
            (Origin::Keys(_), _) => Ok(()),
        }
    }
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
    /// A role without the name of its session. The official CLI would pass the role over and act as somebody else.
    #[error("{place} names a role but not its session: {missing} is missing; set both or neither")]
    HalfRole {
        /// The environment, or a file.
        place: String,
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
    /// The metadata address is none that credentials may be fetched from.
    #[error(
        "`{0}` cannot be the metadata address: it is http://metadata.tencentyun.com, or http:// and a loopback address \
         for a rehearsal"
    )]
    MetadataAddress(String),
    /// The service does not give the role.
    #[error("the role {arn} cannot be assumed: {error}")]
    Role {
        /// The role.
        arn: String,
        /// What the service says.
        error: Box<CloudError>,
    },
    /// The machine does not give its role.
    #[error("the role of this machine cannot be used: {error} ({address})")]
    Machine {
        /// Who was asked.
        address: MetadataAddress,
        /// What is wrong.
        error: MachineError,
    },
    /// A login is over.
    #[error(
        "the login of profile `{name}` is over since {since}; log in again with the official CLI, for only that can renew {path}"
    )]
    LoginOver {
        /// The profile.
        name: String,
        /// Its file.
        path: PathBuf,
        /// When it ended.
        since: Timestamp,
    },
    /// What was given is over already.
    #[error("the credentials of the {from} ended at {at}, before they came; check this machine's clock")]
    OverAlready {
        /// Who gave them.
        from: &'static str,
        /// When they ended.
        at: Timestamp,
    },
}

impl CredentialError {
    /// What a call of `action` comes to that cannot be signed. It never left, so whatever the class, nothing was done by it.
    /// The issuer's code stays in the text: as the code of this error it would be taken for an answer to `action`.
    pub fn of_call(&self, action: &str) -> CloudError {
        let class = match self {
            // Whatever it was that failed, the call itself was not sent: what may pass may be tried again.
            CredentialError::Role { error, .. } => match error.class {
                ErrorClass::Auth | ErrorClass::Refused | ErrorClass::SignatureExpired => ErrorClass::Auth,
                ErrorClass::NotSent | ErrorClass::Throttled | ErrorClass::Ambiguous => ErrorClass::NotSent,
            },
            CredentialError::Machine { error: MachineError::Silent(_), .. } => ErrorClass::NotSent,
            _ => ErrorClass::Auth,
        };
        CloudError::transport(class, action, format!("not sent, for want of credentials: {self}"))
    }
}
