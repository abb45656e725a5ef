//! `lhprov explain`: what a code means, what it proves, and what to do.

use crate::cli::args::ExplainArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cloud::ErrorClass;
use crate::cloud::classify::{classify, known_codes, reason};
use crate::cloud::explain::{Explanation, explained_codes, explanation};
use crate::diag::codes::{CODES, CodeText, explained};
use crate::diag::did_you_mean;
use crate::report::console::Console;
use crate::report::human::explain::{Explained, list, one};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Explains one code, or lists all.
pub fn run(own: &ExplainArgs, console: Console) -> Result<Exit, Failure> {
    let text = match &own.code {
        Some(code) => {
            let known = of_lhprov(code).or_else(|| of_cloud(code)).ok_or_else(|| unknown(code))?;
            if own.format.is_json() { format!("{:#}\n", value(&known)) } else { one(&known, console.stdout) }
        }
        None => {
            let all = all();
            match own.format.is_json() {
                true => format!("{:#}\n", json!({"codes": all.iter().map(value).collect::<Vec<_>>()})),
                false => list(&all, console.stdout),
            }
        }
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

fn all() -> Vec<Explained> {
    let own = CODES.iter().filter_map(|line| of_lhprov(line.code));
    own.chain(explained_codes().filter_map(of_cloud)).collect()
}

fn of_lhprov(code: &str) -> Option<Explained> {
    let CodeText { code, meaning, way_out } = explained(code)?;
    Some(Explained {
        code: (*code).to_owned(),
        of: "lhprov",
        meaning: (*meaning).to_owned(),
        proves: None,
        because: None,
        way_out: (*way_out).to_owned(),
    })
}

/// A code of the service, or one of a family that is known.
fn of_cloud(code: &str) -> Option<Explained> {
    let Explanation { meaning, way_out } = explanation(code)?;
    let family = code.split('.').next().unwrap_or(code);
    let is_listed = known_codes().any(|known| known == code) || explained_codes().any(|known| known == code);
    let meaning = match is_listed {
        true => meaning.to_owned(),
        false => format!("{meaning} The code itself is not known to lhprov; this is said of its family, {family}."),
    };
    Some(Explained {
        code: code.to_owned(),
        of: "Tencent Cloud",
        meaning,
        proves: Some(proof(classify(code))),
        because: reason(code).or_else(|| reason(family)).map(in_words),
        way_out: way_out.to_owned(),
    })
}

/// A reason with its source in words, where the table has it in short.
fn in_words(reason: &str) -> String {
    let sources = [
        ("gosdk: ", "the official Go SDK lists: "),
        ("intl: ", "the international SDK says: "),
        ("common: ", "the API's common error codes: "),
        ("sdk: ", "the official Python SDK: "),
    ];
    let found = sources.iter().find_map(|(short, words)| Some(format!("{words}{}", reason.strip_prefix(short)?)));
    found.unwrap_or_else(|| reason.to_owned()).replace("(seed)", "(its page)")
}

/// What a class of errors proves, in words.
fn proof(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::NotSent => "The request never reached the service: nothing was bought or changed.",
        ErrorClass::Throttled => "The service turned the call away for its rate: nothing was bought or changed by it.",
        ErrorClass::SignatureExpired => "The call was signed too long ago: nothing was bought or changed by it.",
        ErrorClass::Auth => {
            "The service did not let the caller in: nothing was bought or changed, and asking again changes nothing."
        }
        ErrorClass::Refused => "The service said no: nothing was bought or changed by the call that it answers.",
        ErrorClass::Ambiguous => {
            "Nothing: the service may have acted. lhprov looks at what exists before it asks again, with the same token."
        }
    }
}

fn value(explained: &Explained) -> Value {
    let Explained { code, of, meaning, proves, because, way_out } = explained;
    json!({"code": code, "of": of, "meaning": meaning, "proves": proves, "because": because, "way_out": way_out})
}

fn unknown(code: &str) -> Failure {
    let own = CODES.iter().map(|line| line.code);
    let known: BTreeSet<&str> = own.chain(explained_codes()).chain(known_codes()).collect();
    let failure = Failure::usage(format!("no code `{code}` is known"));
    let failure = match did_you_mean(code, known) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure,
    };
    failure.help("`lhprov explain` lists all codes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the tables of codes have can be asked about.
    #[test]
    fn every_code_of_the_service_is_explained_by_itself_or_its_family() {
        let missing: Vec<&str> = known_codes().filter(|code| of_cloud(code).is_none()).collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }
}
