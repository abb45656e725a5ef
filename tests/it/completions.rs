//! Completion in real shells, as somebody types: the addresses of manifest and state, and no word about mistakes.

use crate::require::has_program;
use crate::support::{Place, SMALL};
use crate::terminal::Terminal;
use std::process::Command;

const SHOP: &str = "version: 1
stack: shop
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: {}
  web: { count: 3, depends_on: [db] }
  edge: { for_each: { a: {}, \"b c\": {} } }
outputs: { main_ip: \"${instances.db.public_addresses[0]}\" }
";

/// What is offered for the last of some words.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let arguments = [&["__complete", "zsh", "--", "lhprov"], words].concat();
    let said = place.run(&arguments).expect(0);
    assert_eq!(said.err, "");
    said.out.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn addresses_commands_options_and_values_are_offered() {
    let mut place = Place::with(SHOP);
    let all = ["db", "edge", "edge[\"a\"]", "edge[\"b c\"]", "web", "web[0]", "web[1]", "web[2]"];
    assert_eq!(offered(&place, &["plan", "--only", ""]), all);
    assert_eq!(
        offered(&place, &["plan", "--skip=we"]),
        ["--skip=web", "--skip=web[0]", "--skip=web[1]", "--skip=web[2]"]
    );
    assert_eq!(offered(&place, &["plan", "--replace", "e"]), ["edge[\"a\"]", "edge[\"b c\"]"]);
    assert_eq!(offered(&place, &["plan", "--view", ""]), ["compact", "full"]);
    assert_eq!(offered(&place, &["pl"]), ["plan"]);
    assert_eq!(offered(&place, &["output", ""])[..1], ["main_ip"]);
    assert!(offered(&place, &["plan", "--de"]).contains(&"--detailed-exitcode".to_owned()));
    assert_eq!(offered(&place, &["validate", "-f", "li"]), ["lighthouse.yaml"]);
    // Nothing is recorded yet, so there is nothing to show.
    assert_eq!(offered(&place, &["show", "db"]), [""; 0]);
    place.set("LHPROV_SANDBOX", "1");
    place.run(&["apply", "--boot", "0s", "--yes", "--only", "db"]).expect(0);
    for words in [&["show", ""][..], &["renew", ""], &["state", "show", ""], &["state", "rm", ""], &["state", "mv", ""]]
    {
        assert_eq!(offered(&place, words).first().map(String::as_str), Some("db"), "{words:?}");
    }
    assert_eq!(offered(&place, &["state", "mv", "db", "we"]), ["web[0]", "web[1]", "web[2]"]);
    assert!(!offered(&place, &["import", ""]).contains(&"db".to_owned()));
    // From another folder.
    let (elsewhere, folder) = (Place::empty(), place.path().to_str().expect("UTF-8"));
    assert_eq!(offered(&elsewhere, &["--chdir", folder, "plan", "--only", "d"]), ["db"]);
    let file = place.path().join("lighthouse.yaml");
    assert_eq!(offered(&elsewhere, &["plan", "-f", file.to_str().expect("UTF-8"), "--only", "d"]), ["db"]);
}

#[test]
fn many_addresses_are_offered_by_block_and_mistakes_are_silent() {
    let place = Place::with(&SHOP.replace("count: 3", "count: 2000"));
    assert_eq!(offered(&place, &["plan", "--replace", "w"]), ["web["]);
    assert_eq!(offered(&place, &["plan", "--only", ""]), ["db", "edge", "edge[", "web", "web["]);
    assert_eq!(offered(&place, &["plan", "--replace", "web[199"]).len(), 11);
    // Not finished yet: the blocks can be seen all the same.
    place.write("lighthouse.yaml", &SHOP.replace("bundle_id", "bundel_id"));
    assert_eq!(offered(&place, &["plan", "--only", ""]), ["db", "edge", "web"]);
    for wrong in ["instances: [", "", "a: 1\n"] {
        place.write("lighthouse.yaml", wrong);
        assert_eq!(offered(&place, &["plan", "--only", ""]), [""; 0]);
    }
    place.write("lighthouse.yaml", SMALL);
    assert_eq!(offered(&place, &["plan", "--chdir", "/nowhere", "--only", ""]), [""; 0]);
    assert_eq!(
        offered(&place, &["plan", "--no-such-option", "--only="]).first().map(String::as_str),
        Some("--only=db")
    );
}

/// What a command line has become, after it was typed with tabs in a shell that has read the script of `completions`.
#[track_caller]
fn typed(place: &Place, shell: &[&str], before: &str, lines: &[(&str, &str)]) {
    let mut command = place.command(&[]);
    let binary = std::path::PathBuf::from(command.get_program());
    let folder = binary.parent().expect("a folder").to_owned();
    command = {
        let mut shell_command = Command::new(shell[0]);
        shell_command.args(&shell[1..]).current_dir(place.path());
        shell_command.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell_command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display()));
        shell_command.env("LC_ALL", "C.UTF-8");
        shell_command
    };
    let mut terminal = Terminal::start(&command, 200, 50);
    terminal.types(&format!("{before}\n"));
    terminal.types("echo rea''dy\n");
    terminal.until("ready");
    for (number, (line, wanted)) in lines.iter().enumerate() {
        // The shell says itself what the line has become, with every word in angle brackets.
        terminal.types(&format!("show {line}"));
        terminal.types(&format!(" en''d{number}\n"));
        terminal.until(&format!("<end{number}>"));
        let written = terminal.written();
        assert!(written.contains(&format!("{wanted}<end{number}>")), "{line:?} is not {wanted}:\n{written}");
    }
    terminal.types("exit\n");
    terminal.ends();
}

/// What is typed, and the words of which the line then is. In place of the command stands a function that shows them.
const LINES: &[(&str, &str)] = &[
    ("valid\t", "<validate>"),
    ("plan --only d\t", "<plan><--only><db>"),
    ("plan --replace web\\[2\t", "<plan><--replace><web[2]>"),
    ("plan --replace edge\\[\\\"b\t", "<plan><--replace><edge[\"b c\"]>"),
    ("plan --replace 'edge[\"a\t", "<plan><--replace><edge[\"a\"]>"),
    ("plan --only=d\t", "<plan><--only=db>"),
    ("plan --detail\t", "<plan><--detailed-exitcode>"),
    ("plan -f lighth\t", "<plan><-f><lighthouse.yaml>"),
];

#[test]
fn bash_completes() {
    if !has_program("bash") {
        return;
    }
    let place = Place::with(SHOP);
    let before = "PS1='$ '; bind 'set enable-bracketed-paste off' 2>/dev/null; source <(lhprov completions bash); \
                  show() { printf '<%s>' \"$@\"; echo; }; _show() { local line=${COMP_LINE/show/lhprov}; \
                  COMP_POINT=$((COMP_POINT + 2)); COMP_LINE=$line; _lhprov lhprov \"$2\" \"$3\"; }; \
                  complete -o nosort -F _show show";
    typed(&place, &["bash", "--norc", "--noprofile", "-i"], before, LINES);
}

#[test]
fn zsh_completes() {
    if !has_program("zsh") {
        return;
    }
    let place = Place::with(SHOP);
    let before = "PS1='$ '; autoload -Uz compinit; compinit -u -D; source <(lhprov completions zsh); \
                  show() { printf '<%s>' \"$@\"; echo; }; \
                  _show() { words[1]=lhprov; _lhprov }; compdef _show show";
    typed(&place, &["zsh", "-f", "-i"], before, LINES);
}

#[test]
fn fish_completes() {
    if !has_program("fish") {
        return;
    }
    let place = Place::with(SHOP);
    let before = "function fish_prompt; echo '$ '; end; lhprov completions fish | source; \
                  function show; printf '<%s>' $argv; echo; end; complete --command show --wraps lhprov; \
                  function __lhprov_complete; \
                  set -l words (commandline --current-process --tokenize --cut-at-cursor); \
                  lhprov __complete fish -- lhprov $words[2..-1] (commandline --current-token --cut-at-cursor) 2>/dev/null; end";
    typed(&place, &["fish", "--no-config", "--interactive"], before, LINES);
}
