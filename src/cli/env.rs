//! The environment: every variable that is read, and nothing else reads any.
//!
//! | Variable | Meaning |
//! |---|---|
//! | `LHPROV_FILE` | `--file`, several separated by the system's path separator; quotes keep a separator |
//! | `LHPROV_STATE` | `--state` |
//! | `LHPROV_VAR_x` | the manifest's variable `x`; `--var-file` and `--var` beat it; an empty value is an empty text |
//! | `LHPROV_VAR_FILE` | `--var-file`, several as in `LHPROV_FILE` |
//! | `LHPROV_REGION` | `--region` |
//! | `LHPROV_ENDPOINT` | `--endpoint`; `--sandbox` beats it |
//! | `LHPROV_SANDBOX` | `--sandbox`: the word of a switch, or a folder that has a `/` or exists |
//! | `LHPROV_PROFILE` | `--profile` |
//! | `LHPROV_CA_FILE` | `--ca-file` |
//! | `LHPROV_CHDIR` | `--chdir` |
//! | `LHPROV_COLOR` | `--color` |
//! | `LHPROV_LOG_LEVEL`, `LHPROV_HTTP_TRACE` | `--log-level`, `--http-trace` |
//! | `LHPROV_NO_ANNOTATIONS` | `--no-annotations` |
//! | `LHPROV_LOCK_TIMEOUT` | `--lock-timeout` |
//! | `LHPROV_MAX_SPEND`, `LHPROV_MAX_DESTROY` | limits: of variable and option, the smaller holds; an empty value is an error |
//! | `TENCENTCLOUD_SECRET_ID`, `…_SECRET_KEY`, `…_TOKEN`, `…_SECURITY_TOKEN` | credentials; never a flag |
//! | `TENCENTCLOUD_ROLE_ARN`, `TENCENTCLOUD_ROLE_SESSION_NAME` | a role to assume with them, or with the default profile |
//! | `TCCLI_PROFILE` | which profile of the official CLI is the default one |
//! | `LHPROV_METADATA_URL` | where the role of this machine is asked for: a loopback address, for rehearsals and tests |
//! | `HTTPS_PROXY`, `https_proxy`, `ALL_PROXY`, `all_proxy`, `NO_PROXY`, `no_proxy` | the way to the endpoint |
//! | `HOME` | where the official CLI keeps its profiles |
//! | `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, `TERM` | colour, and whether live lines are drawn |
//! | `GITHUB_ACTIONS`, `GITHUB_WORKSPACE`, `GITHUB_STEP_SUMMARY` | annotations and summaries in GitHub Actions |
//! | `HOSTNAME` | the host's name in the lock, where the system does not say |
//!
//! No other option has a variable (`args::surface`): consent has to be visible on the command line. Unless the table has
//! another rule, an empty variable counts as unset. Variables that a manifest names with `${env:NAME}` are read besides.

use crate::model::shell;
use crate::report::style::{ColorChoice, ColorWishes};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A variable's value; empty is unset. Variables that are not UTF-8 are refused before (`variables::check_encoding`).
pub fn variable(name: &str) -> Option<String> {
    variable_even_empty(name).filter(|value| !value.is_empty())
}

/// A variable's value, also if it is empty.
pub fn variable_even_empty(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Names of the variables whose values are not UTF-8.
pub fn names_of_unreadable() -> Vec<String> {
    std::env::vars_os()
        .filter(|(_, value)| value.to_str().is_none())
        .filter_map(|(name, _)| name.into_string().ok())
        .collect()
}

/// Variables whose names begin with `prefix`, what is behind it and their values, sorted.
pub fn with_prefix(prefix: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value)))
        .collect();
    found.sort();
    found
}

/// The home folder.
pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether this is a step of GitHub Actions.
pub fn is_github_actions() -> bool {
    variable("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The folder that the command runs in.
pub fn folder() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// What the environment wishes of colour.
pub fn color_wishes() -> ColorWishes {
    ColorWishes {
        no_color: variable("NO_COLOR").is_some(),
        force: variable("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
        off: variable("CLICOLOR").is_some_and(|value| value == "0"),
        dumb: is_dumb(),
    }
}

/// Whether the terminal can do no more than print one character behind the other.
pub fn is_dumb() -> bool {
    variable("TERM").is_some_and(|value| value == "dumb")
}

/// `--color` of a command line that could not be understood as a whole.
pub fn color_choice_unparsed() -> ColorChoice {
    let read = |word: &str| match word {
        "always" => Some(ColorChoice::Always),
        "never" => Some(ColorChoice::Never),
        "auto" => Some(ColorChoice::Auto),
        _ => None,
    };
    let mut chosen = variable("LHPROV_COLOR").as_deref().and_then(read).unwrap_or_default();
    let words: Vec<OsString> = arguments().collect();
    for (at, word) in words.iter().enumerate() {
        let Some(word) = word.to_str() else { continue };
        let value = match word.strip_prefix("--color=") {
            Some(value) => Some(value),
            None if word == "--color" => words.get(at + 1).and_then(|next| next.to_str()),
            None => None,
        };
        chosen = value.and_then(read).unwrap_or(chosen);
    }
    chosen
}

/// The arguments of the process, the program's own name first.
pub fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os()
}

/// Whether the command line has a long flag, as a word of its own or with its value behind `=`.
pub fn has_flag(flag: &str) -> bool {
    arguments().skip(1).any(|word| {
        let rest = word.to_str().and_then(|word| word.strip_prefix(flag));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

/// The command line for people, without the program's folder. Secrets are never part of one.
pub fn command_line() -> String {
    let words: Vec<String> = arguments().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    shell::join(std::iter::once("lhprov").chain(words.iter().map(String::as_str)))
}

/// Makes `folder` the working directory, from which all relative paths start.
pub fn change_folder(folder: &Path) -> std::io::Result<()> {
    std::env::set_current_dir(folder)
}

/// The proxy for the way to `host`, by the variables that curl and the official CLI know.
pub fn proxy(host: &str) -> Option<String> {
    let either = |upper: &str, lower: &str| variable(lower).or_else(|| variable(upper));
    let exempt = either("NO_PROXY", "no_proxy").is_some_and(|list| is_exempt(host, &list));
    if exempt { None } else { either("HTTPS_PROXY", "https_proxy").or_else(|| either("ALL_PROXY", "all_proxy")) }
}

/// Whether `host` (perhaps with a port) is in a list such as `localhost,.example.com`.
fn is_exempt(host: &str, list: &str) -> bool {
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(h, _)| h);
    list.split(',').map(|entry| entry.trim().trim_start_matches('.')).filter(|entry| !entry.is_empty()).any(|entry| {
        entry == "*" || host == entry || host.strip_suffix(entry).is_some_and(|before| before.ends_with('.'))
    })
}

/// Takes the variables that are set and empty from the arguments that they stand for.
pub fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(clap::builder::Resettable::Reset) } else { arg })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exempts_hosts_and_what_is_below_them() {
        for (host, list, exempt) in [
            ("lighthouse.tencentcloudapi.com", ".tencentcloudapi.com", true),
            ("lighthouse.tencentcloudapi.com:8443", "localhost, tencentcloudapi.com", true),
            ("eviltencentcloudapi.com", "tencentcloudapi.com", false),
            ("a", "*", true),
            ("a", "", false),
        ] {
            assert_eq!(is_exempt(host, list), exempt, "{host} {list}");
        }
    }
}
