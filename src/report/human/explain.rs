//! A code explained, and the list of all.

use crate::report::style::{Label, Palette};
use crate::report::text::{WIDTH, columns, cut, pad, wrap};
use std::fmt::Write as _;

/// Columns before the texts.
const INDENT: usize = 10;

/// What is known of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: String,
    /// `lhprov` or `Tencent Cloud`.
    pub of: &'static str,
    /// What it means.
    pub meaning: String,
    /// What it proves about the call that it answers.
    pub proves: Option<&'static str>,
    /// Where that is known from.
    pub because: Option<String>,
    /// What to do.
    pub way_out: String,
}

/// All of it.
pub fn one(explained: &Explained, palette: Palette) -> String {
    let Explained { code, of, meaning, proves, because, way_out } = explained;
    let mut out = format!("{}  ({of})\n\n{}\n\n", palette.paint(Label::Heading, code), wrap(meaning, 0, 0));
    let lines = [("proves", *proves), ("because", because.as_deref()), ("to do", Some(way_out.as_str()))];
    for (name, text) in lines.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        let name = palette.paint(Label::Help, &pad(name, INDENT));
        let _ = writeln!(out, "{name}{}", wrap(text, INDENT, INDENT));
    }
    out
}

/// A line for each.
pub fn list(all: &[Explained], palette: Palette) -> String {
    let mut out = String::new();
    let mut before = "";
    let width = all.iter().map(|one| columns(&one.code)).max().unwrap_or(0).min(40);
    for Explained { code, of, meaning, .. } in all {
        if *of != before {
            let _ = writeln!(out, "{}{}", if before.is_empty() { "" } else { "\n" }, palette.paint(Label::Heading, of));
            before = of;
        }
        let room = WIDTH.saturating_sub(2 + width.max(columns(code)) + 2).max(20);
        let _ = writeln!(out, "  {}  {}", pad(code, width), cut(meaning, room));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_all() {
        let of_cloud = Explained {
            code: "LimitExceeded".into(),
            of: "Tencent Cloud",
            meaning: "A quota of the account is used up.".into(),
            proves: Some("Nothing was bought or changed by the call that it answers."),
            because: Some("intl: \"Reached the quota limit.\"".into()),
            way_out: "Ask for a higher quota in the console, or spread over regions, and then run again to go on."
                .into(),
        };
        insta::assert_snapshot!(one(&of_cloud, Palette::plain()), @r#"
        LimitExceeded  (Tencent Cloud)

        A quota of the account is used up.

        proves    Nothing was bought or changed by the call that it answers.
        because   intl: "Reached the quota limit."
        to do     Ask for a higher quota in the console, or spread over regions, and
                  then run again to go on.
        "#);
        let own = Explained { code: "tab".into(), of: "lhprov", proves: None, because: None, ..of_cloud.clone() };
        insta::assert_snapshot!(list(&[own, of_cloud], Palette::plain()), @r"
        lhprov
          tab            A quota of the account is used up.

        Tencent Cloud
          LimitExceeded  A quota of the account is used up.
        ");
    }
}
