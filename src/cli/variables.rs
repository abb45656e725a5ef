//! What the environment may set, and how it is read. It names places and tightens limits; it never gives consent.

use super::args::{self, Global, LIMITS};
use super::env;
use super::failure::Failure;
use crate::manifest::variable::VARIABLE_PREFIX;
use crate::model::money::Amount;
use crate::plan::limits::Ceilings;
use crate::report::console::Console;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::ffi::OsStr;
use std::path::PathBuf;

/// Prefixes of the variables that are read.
const PREFIXES: [&str; 3] = ["LHPROV_", "TENCENTCLOUD_", "TCCLI_PROFILE"];

/// Separates several files in one variable.
const PATH_SEPARATOR: u8 = if cfg!(windows) { b';' } else { b':' };

/// Refuses variables that are not text. A value that cannot be read is not an absent one.
pub fn check_encoding() -> Result<(), Failure> {
    let is_read = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    match env::names_of_unreadable()
        .into_iter()
        .find(|name| is_read(name) && !args::PATH_VARIABLES.contains(&name.as_str()))
    {
        Some(name) => Err(Failure::usage(format!("the value of {name} is not UTF-8"))
            .help(format!("write it in UTF-8, or remove it: unset {name}"))),
        None => Ok(()),
    }
}

/// Warns of each variable that is set and that stands for an option without a variable.
pub fn warn_unread(definition: &clap::Command, console: Console) {
    for (name, flag) in args::unread_variables(definition) {
        if !name.starts_with(VARIABLE_PREFIX) && env::variable(&name).is_some() {
            console.say(&format!("warning: {name} is set and is not read: give {flag} on the command line\n"));
        }
    }
}

/// The limits of the command line, tightened by those of the environment.
pub fn tighten(flags: Ceilings) -> Result<Ceilings, Failure> {
    let [(_, spend), (_, destroy)] = LIMITS;
    let smaller = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
    let spend = limit(spend, args::amount, "LHPROV_MAX_SPEND=1500")?.map(|amount: Amount| amount.0);
    let destroy =
        limit(destroy, |text| text.parse().map_err(|_| "expected a whole number".to_owned()), "LHPROV_MAX_DESTROY=3")?;
    Ok(Ceilings {
        max_spend: flags.max_spend.map(|amount| amount.0).into_iter().chain(spend).min().map(Amount),
        max_destroy: smaller(flags.max_destroy, destroy),
        max_destroy_by_flag: flags.max_destroy_by_flag,
    })
}

/// A limit of the environment. An empty one is an error: a pipeline that sets it expects it to hold.
fn limit<T>(name: &str, read: impl Fn(&str) -> Result<T, String>, example: &str) -> Result<Option<T>, Failure> {
    let Some(text) = env::variable_even_empty(name) else { return Ok(None) };
    let remove = format!("or remove it, if there is no limit: unset {name}");
    let problem = match read(&text) {
        Ok(value) => return Ok(Some(value)),
        Err(_) if text.trim().is_empty() => format!("{name} is set and empty, which is no limit"),
        Err(why) => format!("{name} is `{text}`: {why}"),
    };
    Err(Failure::usage(problem).help(format!("write a limit, such as {example}")).help(remove))
}

/// The files of a variable that holds several. A separator inside of quotes does not cut.
pub fn split_paths(list: &OsStr) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    let mut rest = list.as_encoded_bytes();
    while !rest.is_empty() {
        let (entry, tail) = match rest[0] {
            quote @ (b'"' | b'\'') => {
                let end = rest[1..].iter().position(|byte| *byte == quote).ok_or("a quote is not closed")?;
                let tail = &rest[end + 2..];
                match tail.first() {
                    Some(byte) if *byte != PATH_SEPARATOR => {
                        return Err("there is text behind a closing quote".to_owned());
                    }
                    _ => (&rest[1..=end], tail),
                }
            }
            _ => rest.split_at(rest.iter().position(|byte| *byte == PATH_SEPARATOR).unwrap_or(rest.len())),
        };
        if entry.is_empty() {
            return Err("an entry is empty".to_owned());
        }
        paths.push(path_of(entry).ok_or("it is not UTF-8")?);
        rest = match tail {
            [] => tail,
            [_] => return Err("an entry is empty".to_owned()),
            [_, rest @ ..] => rest,
        };
    }
    Ok(paths)
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Cuts the variables that hold several files; options are never cut.
pub fn split_lists(global: &mut Global, words: &ArgMatches) -> Result<(), Failure> {
    for (id, paths) in [("file", &mut global.file), ("var_file", &mut global.var_file)] {
        if let ([list], true) = (&paths[..], is_from_environment(words, id)) {
            let split = split_paths(list.as_os_str());
            *paths = split.map_err(|why| {
                Failure::usage(format!("LHPROV_{} is `{}`: {why}", id.to_uppercase(), list.display())).help(
                    "write the files with the separator between them; quotes around a file keep a separator in it",
                )
            })?;
        }
    }
    Ok(())
}

/// Refuses a folder of `LHPROV_SANDBOX` that may be a misspelt switch. Paths are relative to the folder of `--chdir`.
pub fn check_sandbox_folder(global: &Global, words: &ArgMatches) -> Result<(), Failure> {
    let Some(folder) = global.sandbox().filter(|_| is_from_environment(words, "sandbox")) else { return Ok(()) };
    let text = folder.to_string_lossy();
    if text.contains(std::path::is_separator) || folder.exists() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "LHPROV_SANDBOX is `{text}`, which is neither the word of a switch nor an existing folder"
    ))
    .help("for the default sandbox write true, for none write false")
    .help(format!("for a new folder of this name write LHPROV_SANDBOX=./{text}")))
}

fn is_from_environment(words: &ArgMatches, id: &str) -> bool {
    source_of(words, id) == Some(ValueSource::EnvVariable)
}

/// Where the value of an option comes from. Options of all commands are found at the innermost command.
pub fn source_of(words: &ArgMatches, id: &str) -> Option<ValueSource> {
    let mut own = words;
    while let Some((_, inner)) = own.subcommand() {
        own = inner;
    }
    own.try_contains_id(id).unwrap_or(false).then(|| own.value_source(id)).flatten()
}

/// The word of a switch, in any case: those that clap's own switches take.
pub fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn split(text: &str) -> Result<Vec<String>, String> {
        let paths = split_paths(OsStr::new(text))?;
        Ok(paths.into_iter().map(|path| path.display().to_string()).collect())
    }

    #[cfg(unix)]
    #[test]
    fn a_separator_inside_of_quotes_does_not_cut() {
        for (text, paths) in [
            ("a.yaml", &["a.yaml"][..]),
            ("a.yaml:b.yaml", &["a.yaml", "b.yaml"]),
            ("\"a:b.yaml\"", &["a:b.yaml"]),
            ("'a:b.yaml':c.yaml", &["a:b.yaml", "c.yaml"]),
            ("it's.yaml:b", &["it's.yaml", "b"]),
            ("ä:\"ö:ü\"", &["ä", "ö:ü"]),
        ] {
            assert_eq!(
                split(text).as_deref(),
                Ok(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
        for text in ["\"a", "\"a\"b", "a:", ":a", "a::b", "\"\""] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn switches_take_the_same_words_in_any_case() {
        for (word, is_on) in [
            ("no", false),
            ("OFF", false),
            ("n", false),
            ("False", false),
            ("0", false),
            ("On", true),
            ("yes", true),
            ("TRUE", true),
            ("1", true),
            ("Y", true),
        ] {
            assert_eq!(switch(word), Some(is_on), "{word}");
        }
        assert_eq!(switch("box"), None);
    }
}
