//! Any error: what to say, what would help, and the exit code. Hints are attached here, once for all commands.

use super::exit::Exit;
use super::{github, hints};
use crate::apply::failure_policy::may_pass;
use crate::cloud::client::ClientError;
use crate::cloud::credential::CredentialError;
use crate::cloud::endpoint::EndpointError;
use crate::cloud::{CloudError, ErrorClass, explain};
use crate::diag::{Diagnostics, Severity};
use crate::manifest::Sources;
use crate::model::address::compact;
use crate::ops::{OpsError, Stale};
use crate::plan::Blocked;
use crate::plan::seal::{Difference, Moved};
use crate::report::console::Console;
use crate::report::human::plan::blocked_text;
use crate::report::human::{diagnostic, failure};
use crate::report::style::Palette;
use crate::report::text::{count, wrap};
use crate::sandbox::server::ServeError;
use crate::sandbox::store::StoreError;
use crate::state::StateError;
use crate::state::lock::LockError;
use std::io::ErrorKind;
use std::sync::Arc;

/// What to do without credentials.
const CREDENTIALS_HELP: &str = "set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or run `tccli configure`";

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    /// What to say.
    what: What,
    /// What is said in the end.
    closing: Option<String>,
    /// How the process ends.
    pub exit: Exit,
    /// Whether the same command can succeed later, with nothing changed by its user.
    pub can_repeat: bool,
}

#[derive(Debug)]
enum What {
    /// `error` carries its causes; `details` are lines under it that are no causes.
    Error {
        error: anyhow::Error,
        details: Vec<String>,
        help: Vec<String>,
    },
    Diagnostics(Diagnostics, Arc<Sources>),
    Blocked(Vec<Blocked>),
}

impl Failure {
    /// An error with nothing more to say than its heading.
    pub fn new(exit: Exit, heading: impl Into<String>) -> Self {
        Self::of(exit, anyhow::Error::msg(heading.into()))
    }

    /// An error with its causes.
    pub fn of(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            what: What::Error { error: error.into(), details: Vec::new(), help: Vec::new() },
            closing: None,
            exit,
            can_repeat: false,
        }
    }

    /// An error with lines under it, such as the list of what differs.
    fn with_details(exit: Exit, heading: impl Into<String>, details: Vec<String>, help: &[&str]) -> Self {
        let help = help.iter().map(|line| (*line).to_owned()).collect();
        let what = What::Error { error: anyhow::Error::msg(heading.into()), details, help };
        Self { what, closing: None, exit, can_repeat: false }
    }

    /// A mistake on the command line.
    pub fn usage(heading: impl Into<String>) -> Self {
        Self::new(Exit::Usage, heading)
    }

    /// Mistakes in the manifest.
    pub fn diagnostics(diagnostics: Diagnostics, sources: Arc<Sources>) -> Self {
        Self::diagnosed(Exit::Error, diagnostics, sources)
    }

    /// What has a place in the manifest, with an end of its own.
    fn diagnosed(exit: Exit, diagnostics: Diagnostics, sources: Arc<Sources>) -> Self {
        Self { what: What::Diagnostics(diagnostics, sources), closing: None, exit, can_repeat: false }
    }

    /// What may not be done.
    pub fn blocked(blocked: Vec<Blocked>) -> Self {
        Self { what: What::Blocked(blocked), closing: None, exit: Exit::Refused, can_repeat: false }
    }

    /// A saved plan that no longer fits.
    pub fn stale(stale: &Stale) -> Self {
        const AGAIN: &str = "make another with `lhprov plan --out FILE`, and look at it";
        let lines = |list: &[Moved]| list.iter().map(ToString::to_string).collect();
        let (heading, causes, help): (_, Vec<String>, &[&str]) = match stale {
            Stale::Inputs(moved) => (
                format!("the saved plan is stale: {} moved since it was made", count(moved.len(), "input")),
                lines(moved),
                &[AGAIN, "or add --if-equivalent: it is carried out then if the actions are still the same"],
            ),
            Stale::Elsewhere(moved) => (
                "the saved plan is for another fleet, account or cloud than this run".to_owned(),
                lines(moved),
                &["name the cloud and the credentials that it was made for (--sandbox, --endpoint, --profile)", AGAIN],
            ),
            Stale::Actions(differences) => (
                format!(
                    "the saved plan is stale: something else is to be done now, at {}",
                    count_of(differences.len(), "address", "addresses")
                ),
                shortened(differences),
                &[AGAIN],
            ),
        };
        Self::with_details(Exit::Stale, heading, causes, help)
    }

    /// Something could not be written.
    pub fn output(error: &std::io::Error) -> Self {
        Self::new(Exit::Error, format!("failed to write the result: {error}"))
    }

    /// Adds a way out.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        if let What::Error { help, .. } = &mut self.what {
            help.push(line.into());
        }
        self
    }

    /// Says that the same command can succeed later, with nothing changed by its user.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.can_repeat = true;
        self
    }

    /// Adds a last sentence.
    #[must_use]
    pub fn closing(mut self, text: impl Into<String>) -> Self {
        self.closing = Some(text.into());
        self
    }

    /// What went wrong, in one line without help.
    pub fn line(&self) -> String {
        match &self.what {
            What::Error { error, details, .. } => {
                let causes = error.chain().map(ToString::to_string);
                causes.chain(details.iter().cloned()).collect::<Vec<_>>().join(": ")
            }
            What::Diagnostics(diagnostics, _) => {
                let mut errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
                let first = errors.next().map(|one| one.summary.clone()).unwrap_or_default();
                match errors.count() {
                    0 => first,
                    more => format!("{first} (and {})", count(more, "more error")),
                }
            }
            What::Blocked(blocked) => blocked.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join("; "),
        }
    }

    /// An operation's error. `sources` are what its diagnostics point into.
    pub fn of_operation(error: OpsError, sources: Arc<Sources>) -> Self {
        match error {
            OpsError::State(error) => error.into(),
            OpsError::Lock(error) => error.into(),
            OpsError::Cloud(error) => error.into(),
            OpsError::Edited(diagnostics, sources) => Self::diagnostics(diagnostics, sources),
            OpsError::Mistake { what, help } => help.into_iter().fold(Self::new(Exit::Error, what), Failure::help),
            OpsError::Select(error) => Self::usage(error.to_string()).help(error.help),
            OpsError::Diagnostics(diagnostics) => Self::diagnostics(diagnostics, sources),
            OpsError::Refused(diagnostics) => Self::diagnosed(Exit::Refused, diagnostics, sources),
            OpsError::Preflight(diagnostics) => Self::diagnosed(Exit::Preflight, diagnostics, sources),
            OpsError::Blocked(blocked) => Self::blocked(blocked),
            OpsError::Beyond(beyond) => {
                let what = "what is to be done now goes beyond what was agreed to";
                beyond
                    .into_iter()
                    .fold(Self::new(Exit::Partial, what), Failure::help)
                    .help("look at it with `lhprov plan`, then run the command again")
            }
            OpsError::Stale(stale) => Self::stale(&stale),
            OpsError::Unsound(causes) => Self::with_details(
                Exit::Error,
                "internal error: the plan violates its own rules and was not used",
                causes,
                &["please report these lines, with the manifest if you may show it"],
            ),
            OpsError::Defect(what) => Self::new(Exit::Error, format!("internal error: {what}"))
                .help("please report this line; the run has ended, and what it did is recorded"),
            OpsError::Declined => Self::new(Exit::Declined, "not carried out: nothing was changed"),
        }
    }

    /// Says it on stderr, and marks the places of mistakes where a runner reads along.
    pub fn tell(&self, console: Console) {
        console.say(&self.render(console.stderr));
        if let What::Diagnostics(diagnostics, sources) = &self.what {
            github::annotate(diagnostics, sources, console);
        }
    }

    /// What stderr shows.
    pub fn render(&self, palette: Palette) -> String {
        let closing = self.closing.as_ref().map(|text| format!("{}\n", wrap(text, 0, 0))).unwrap_or_default();
        let text = match &self.what {
            What::Error { error, details, help } => {
                let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
                let help: Vec<String> = help.iter().map(|help| hints::with_flags(help)).collect();
                failure::render(&error.to_string(), &[causes, details.clone()].concat(), &help, palette)
            }
            What::Diagnostics(diagnostics, sources) => {
                diagnostic::render(&hints::complete_diagnostics(diagnostics.clone()), sources, palette.is_coloured())
            }
            What::Blocked(blocked) => {
                let complete = |blocked: &Blocked| {
                    let help = blocked.help.iter().map(|help| hints::with_flags(help)).collect();
                    blocked_text(&Blocked { help, ..blocked.clone() }, palette)
                };
                blocked.iter().map(complete).collect()
            }
        };
        text + &closing
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let help = error.help();
        Self::of(Exit::Error, error).help(help)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match &error {
            LockError::Held(_) => Self::of(Exit::Locked, error)
                .repeatable()
                .help("wait until it is done, or let this run wait with --lock-timeout 10m")
                .help("the lock ends with the process that holds it, however that ends"),
            LockError::Unsupported { .. } => Self::of(Exit::Error, error)
                .help("nothing was changed; keep the state on a file system with locks, and name it with --state")
                .help("`lhprov plan` needs no lock"),
            LockError::Io { source, .. } => {
                let help = match source.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                        "make the folder writable for this user, or name another file with --state"
                    }
                    ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded => {
                        "free some space and run the command again; nothing was changed"
                    }
                    _ => "check that the folder of the state is one, or name another file with --state",
                };
                Self::of(Exit::Error, error).help(help)
            }
        }
    }
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        // No response, or one that says nothing about the request: the network, the rate, a server's fault.
        let says_nothing = error.code.is_none() || error.class == ErrorClass::Throttled || error.is("InternalError");
        let can_repeat = may_pass(error.class) && says_nothing;
        let failure = Self { can_repeat, ..Self::of(Exit::Error, error.clone()) };
        match error.code.as_deref().and_then(explain::explanation) {
            Some(explanation) => {
                let failure = failure.help(format!("{} {}", explanation.meaning, explanation.way_out));
                failure.help(more_about(error.code.as_deref().unwrap_or_default()))
            }
            None if error.class == ErrorClass::Auth => {
                let failure = match way_out(&error.message) {
                    Some(help) => failure.help(help),
                    None => failure.help(CREDENTIALS_HELP),
                };
                failure.help("`lhprov auth whoami` says which credentials are used")
            }
            None if error.class == ErrorClass::Throttled => failure.help("run again later"),
            None if error.class == ErrorClass::NotSent => {
                failure.help("the request was not sent: check the network, any proxy and --endpoint, then run again")
            }
            None if error.class == ErrorClass::Ambiguous => {
                failure.help("run again; if it stays, check the network, any proxy and --endpoint")
            }
            None => failure,
        }
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<CredentialError>> for Failure {
    fn from(error: Arc<CredentialError>) -> Self {
        let help = match &*error {
            CredentialError::Nothing { .. } => Some(CREDENTIALS_HELP.to_owned()),
            CredentialError::Role { error, .. } => match error.code.as_deref().and_then(explain::explanation) {
                Some(explanation) => Some(format!("{} {}", explanation.meaning, explanation.way_out)),
                None => Some("check the role's name and that these credentials may assume it".to_owned()),
            },
            _ => None,
        };
        help.into_iter().fold(Self::of(Exit::Error, error), Self::help)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::of(Exit::Error, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(Exit::Error, error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::of(Exit::Error, error)
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self::of(Exit::Usage, error)
    }
}

/// Most differences that are listed.
const DIFFERENCES_MAX: usize = 20;

fn shortened(differences: &[Difference]) -> Vec<String> {
    let mut lines: Vec<String> = differences.iter().take(DIFFERENCES_MAX).map(ToString::to_string).collect();
    if let Some(more) = differences.get(DIFFERENCES_MAX..).filter(|more| !more.is_empty()) {
        let rest = compact(more.iter().map(|difference| &difference.address));
        lines.push(format!("and {} more: {rest}", more.len()));
    }
    lines
}

fn count_of(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What would help against an error that a text tells, found by the code in it.
pub fn way_out(text: &str) -> Option<String> {
    text.split([' ', ':', ',', ';', '(', ')'])
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()) && word.len() > 6)
        .find_map(|code| Some((code, explain::explanation(code)?)))
        .map(|(code, explanation)| format!("{} {} {}", explanation.meaning, explanation.way_out, more_about(code)))
}

/// Where more is said of a code.
fn more_about(code: &str) -> String {
    format!("`lhprov explain {code}` says what it proves.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_way_out_by_the_code() {
        let text = "CreateInstances: LimitExceeded.InstanceQuotaLimitExceeded: quota (request 1)";
        assert!(way_out(text).is_some_and(|help| help.contains("quota")));
        assert_eq!(way_out("PENDING after 15m00s"), None);
    }
}
