//! A run on a terminal: the live lines never wrap, never stand twice, and are gone at the end; and the question before it says
//! what costs money and what destroys data.

use crate::support::{Place, SMALL};
use crate::terminal::Terminal;

/// Instances of four blocks, one of them with keys of many columns.
fn fleet(instances: usize) -> String {
    let keys = "{ 東京都渋谷区のとても長い名前: {}, \"a key that is far longer than any line has room for it\": {} }";
    format!(
        "version: 1\nstack: small\nregion: ap-guangzhou\n\
         defaults: {{ bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: {{ period: 1 }}, instance_name: node }}\n\
         rate_limits: {{ CreateInstances: 200, DescribeInstances: 200 }}\n\
         instances:\n  db: {{}}\n  web: {{ count: {}, depends_on: [db] }}\n  edge: {{ for_each: {keys} }}\n",
        instances - 3
    )
}

/// What a terminal of this size shows after each piece; checks what has to hold at all times. The screen at the end.
#[track_caller]
fn watched(terminal: &Terminal, columns: u16, rows: u16) -> String {
    let mut screen = vt100::Parser::new(rows, columns, 0);
    let is_bar = |row: &str| row.contains(['━', '─']);
    let mut drawn = 0;
    for piece in &terminal.pieces {
        screen.process(piece);
        let rows: Vec<String> = screen.screen().rows(0, columns).collect();
        let bars: Vec<usize> = (0..rows.len()).filter(|row| is_bar(&rows[*row])).collect();
        assert!(bars.len() <= 1, "the live lines stand there twice:\n{}", screen.screen().contents());
        for bar in bars {
            drawn += 1;
            // The bar is the last line, and neither it nor those of the groups above it run into the last column.
            let group = |row: &&usize| rows[**row].starts_with("  ") && !rows[**row].contains("lhins-");
            let above: Vec<usize> = (0..bar).rev().collect();
            let block = above.iter().take_while(group).chain([&bar]);
            for row in block {
                let wrapped = screen.screen().row_wrapped(u16::try_from(*row).expect("few"));
                assert!(!wrapped, "row {row} wraps:\n{}", screen.screen().contents());
            }
            assert_eq!(rows[bar + 1..].join("").trim(), "", "something below:\n{}", screen.screen().contents());
        }
    }
    assert!(drawn > 0, "no live line was ever seen:\n{}", terminal.written());
    assert!(!screen.screen().hide_cursor());
    let shown = screen.screen().contents();
    assert!(!shown.contains(['━', '─']), "something is left:\n{shown}");
    shown
}

#[test]
fn live_lines_fit_every_terminal_and_leave_nothing_behind() {
    for (instances, columns, rows) in
        [(4, 80, 24), (4, 40, 24), (4, 200, 50), (300, 80, 24), (300, 40, 12), (1000, 80, 24)]
    {
        let place = Place::with(&fleet(instances));
        let flags = [
            "apply",
            "--sandbox",
            "--yes",
            "--boot",
            "1500ms",
            "--quota",
            "5000",
            "--rate",
            "CreateInstances=0",
            "--rate",
            "DescribeInstances=0",
        ];
        let mut terminal = Terminal::start(&place.command(&flags), columns, rows);
        assert_eq!(terminal.ends(), Some(0), "{}", terminal.written());
        let shown = watched(&terminal, columns, rows);
        let joined = shown.replace('\n', "");
        assert!(joined.contains(&format!("Applied: {instances} running. (sandbox)")), "{shown}");
    }
}

#[test]
fn a_terminal_may_change_its_size() {
    let place = Place::with(&fleet(40));
    let flags = ["apply", "--sandbox", "--yes", "--boot", "3s", "--color", "never"];
    let mut terminal = Terminal::start(&place.command(&flags), 100, 30);
    terminal.until("pending");
    terminal.resize(50, 20);
    let before = terminal.pieces.len();
    assert_eq!(terminal.ends(), Some(0), "{}", terminal.written());
    // What was under way when the size changed was drawn for the old one; afterwards no line is wider than the new one.
    let text = String::from_utf8_lossy(&terminal.pieces[before..].concat()).into_owned();
    let lines = text.split(['\r', '\n']).map(|line| line.split('\u{1b}').next().unwrap_or_default());
    let bars: Vec<usize> = lines.filter(|line| line.contains(['─', '━'])).map(|line| line.chars().count()).collect();
    assert!(bars.last().is_some_and(|columns| *columns < 50), "{bars:?} {text:?}");
    assert!(terminal.written().contains("Applied: 40 running. (sandbox)"));
}

#[test]
fn what_goes_wrong_is_told_above_the_live_lines() {
    let place = Place::with(&fleet(70));
    let flags = ["apply", "--sandbox", "--yes", "--boot", "1s", "--quota", "50", "--no-preflight"];
    let mut terminal = Terminal::start(&place.command(&flags), 80, 24);
    assert_eq!(terminal.ends(), Some(6), "{}", terminal.written());
    watched(&terminal, 80, 24);
    assert!(terminal.written().contains("failed"), "{}", terminal.written());
}

#[test]
fn the_question_says_what_costs_money_and_what_destroys_data() {
    let place = Place::with(SMALL);
    let ask = |flags: &[&str]| {
        let mut terminal = Terminal::start(&place.command(flags), 80, 40);
        terminal.until("Only 'yes' is accepted");
        terminal.types("no\n");
        assert_eq!(terminal.ends(), Some(9), "{}", terminal.written());
        terminal.written().replace("\r\n", "\n")
    };
    let asked = ask(&["apply", "--sandbox", "--boot", "0s", "--color", "never"]);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let costs = "Costs money: buys 3 instances in 2 purchases (150.00 CNY now), but not in the sandbox. Do you want";
    assert!(words(&asked).contains(costs), "{asked}");
    assert!(!asked.contains("Destroys data"), "{asked}");
    place.run(&["apply", "--sandbox", "--boot", "0s", "--yes"]).expect(0);
    place.write(
        "lighthouse.yaml",
        &SMALL.replace("db: {}", "db: { blueprint_id: lhbp-5e8807lo }").replace("count: 2", "count: 1"),
    );
    let flags =
        ["apply", "--sandbox", "--allow-data-loss", "--accept-no-refund", "--replace", "web[0]", "--color", "never"];
    let asked = ask(&flags);
    let question = words(&asked);
    for told in [
        "Costs money: buys 1 instance in 1 purchase (",
        "Destroys data: wipes the disk of 1 instance, replaces 1 instance, the data of which is lost: db web[0]. Besides",
        "it: returns 1 instance (out of service at once, recoverable for seven days). Do you want",
    ] {
        assert!(question.contains(told), "{told}\n{asked}");
    }
}
