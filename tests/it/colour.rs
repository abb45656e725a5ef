//! When there is colour: on terminals and in pipes, by flag and by environment, for the command's own words and for those of
//! its parser; and that nobody else's words do anything to a terminal.

use crate::support::{Cloud, Place, SMALL};
use crate::terminal::Terminal;

/// Whether a command's words are coloured on a terminal.
fn on_a_terminal(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = place.command(arguments);
    command.envs(variables.iter().copied());
    let mut terminal = Terminal::start(&command, 80, 24);
    terminal.ends();
    terminal.written()
}

fn in_a_pipe(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = place.command(arguments);
    let said = crate::support::said(&command.envs(variables.iter().copied()).output().expect("the command starts"));
    said.out + &said.err
}

/// A result, an error of a command, an error of the parser, and a help text.
const WORDS: [&[&str]; 4] = [&["plan", "--sandbox"], &["show", "no"], &["plan", "--bogus"], &["plan", "-h"]];

#[test]
fn the_flag_goes_before_the_environment_and_that_before_the_terminal() {
    let place = Place::with(SMALL);
    let (no, force) = (("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"));
    let (off, dumb) = (("CLICOLOR", "0"), ("TERM", "dumb"));
    for words in WORDS {
        for (flag, variables, terminal, pipe) in [
            (None, &[][..], true, false),
            (None, &[no], false, false),
            (None, &[("NO_COLOR", "")], true, false),
            (None, &[force], true, true),
            (None, &[("CLICOLOR_FORCE", "0")], true, false),
            (None, &[no, force], false, false),
            (None, &[off], false, false),
            (None, &[off, force], true, true),
            (None, &[("CLICOLOR", "1")], true, false),
            (None, &[dumb], false, false),
            (None, &[("LHPROV_COLOR", "never")], false, false),
            (None, &[("LHPROV_COLOR", "always"), no], true, true),
            (Some("always"), &[no, off, dumb], true, true),
            (Some("never"), &[force], false, false),
            (Some("never"), &[("LHPROV_COLOR", "always")], false, false),
            (Some("auto"), &[], true, false),
            (Some("auto"), &[no], false, false),
        ] {
            let arguments = [words, &flag.map_or(Vec::new(), |flag| vec!["--color", flag])].concat();
            for (is_coloured, shown) in [
                (terminal, on_a_terminal(&place, &arguments, variables)),
                (pipe, in_a_pipe(&place, &arguments, variables)),
            ] {
                assert!(!shown.is_empty());
                assert_eq!(shown.contains('\u{1b}'), is_coloured, "{arguments:?} {variables:?}\n{shown}");
            }
        }
    }
}

/// What is written on a terminal in addition to text and line breaks is colour.
#[track_caller]
fn only_colours(written: &str) {
    let mut rest = written;
    while let Some(at) = rest.find('\u{1b}') {
        let inner = rest[at..].strip_prefix("\u{1b}[").unwrap_or_else(|| panic!("{written:?}"));
        let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';').expect("an end");
        assert!(inner[end..].starts_with('m'), "{written:?}");
        rest = &inner[end..];
    }
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{1b}');
    assert!(!written.contains(odd) && !written.replace("\r\n", "").contains('\r'), "{written:?}");
}

#[test]
fn the_words_of_others_do_nothing_to_a_terminal() {
    let mut place = Place::with(SMALL);
    let cloud = Cloud::start();
    place.connect(&cloud);
    let evil = "e\u{1b}[2J\u{1b}]0;title\u{7}\rvil\u{9b}31m";
    place.write(
        "evil.yaml",
        &SMALL.replace("db: {}", "db: { instance_name: \"e\\e[2J\\e]0;title\\avil\", oops\u{1b}[2J: 1 }"),
    );
    place.run(&["apply", "--yes"]).expect(0);
    cloud.shared.lock().unwrap().rename_all(evil);
    for arguments in [
        &["plan"][..],
        &["drift"],
        &["drift", "--accept"],
        &["catalog", "bundles"],
        &["validate", "-f", "evil.yaml"],
        &["plan", "-f", evil],
        &["show", evil],
        &["import", "x", evil],
        &["plan", "--only", evil],
        &["plan", evil],
        &["plan", "--view", evil],
        &["plan", "--lock-timeout", evil],
        &["plan", "--sandbox", "--mismatch", evil],
        &[evil],
        &["apply", "--yes"],
        &["show"],
    ] {
        let shown = on_a_terminal(&place, arguments, &[("TERM", "dumb"), ("LHPROV_COLOR", "always")]);
        only_colours(&shown);
        assert!(!shown.contains("\u{1b}[2J"), "{arguments:?}\n{shown:?}");
    }
    let shown = on_a_terminal(&place, &["plan", evil], &[]);
    assert!(shown.contains("e␛[2J␛]0;title␇␍vil"), "{shown:?}");
}

#[test]
fn a_dumb_terminal_gets_lines_and_no_cursor_is_moved() {
    let place = Place::with(SMALL);
    let arguments = ["apply", "--sandbox", "--boot", "300ms", "--yes"];
    let shown = on_a_terminal(&place, &arguments, &[("TERM", "dumb")]);
    assert!(!shown.contains('\u{1b}') && !shown.replace("\r\n", "").contains('\r'), "{shown:?}");
    assert!(shown.contains("Applied: 3 running. (sandbox)"), "{shown:?}");
}
