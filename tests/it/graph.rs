//! `lhprov graph` and `lhprov man`: what they print is what other programs read.

use crate::support::{Place, examples};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs another program on a text; none if this machine does not have it.
fn with(program: &str, arguments: &[&str], text: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).env("MANROFFSEQ", "").env("LC_ALL", "C.UTF-8");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        crate::require::skip(&format!("this machine has no `{program}`"));
        return None;
    };
    let mut input = child.stdin.take().expect("its input");
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("its end");
    writer.join().expect("no panic").expect("read to its end");
    Some(output)
}

const ODD: &str = r#"version: 1
stack: odd
region: ap-guangzhou
defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
instances:
  db: { count: 3 }
  edge:
    for_each: { '"]; evil -> n0 [': {}, 'back\slash': {}, "<b>東京</b>": {} }
    depends_on: [db]
  web: { count: 2, depends_on: ["db[${count.index}]", edge] }
"#;

#[test]
fn a_graph_is_one_to_graphviz() {
    let place = Place::with(ODD);
    let environments = examples().join("environments");
    for (arguments, nodes, edges) in [
        (vec!["graph"], 3, 3),
        (vec!["graph", "--view", "full"], 8 + 2, 3 + 3 + 3 + 2 + 2),
        (vec!["graph", "-f", environments.to_str().expect("UTF-8")], 3, 1),
    ] {
        let text = place.run(&arguments).expect(0).out;
        // With or without Graphviz: every line is a node, an edge, or one of the frame.
        let is_node = |line: &&str| line.starts_with("  n") && line.contains(" [") && !line.starts_with("  node");
        assert_eq!(text.lines().filter(is_node).count(), nodes, "{text}");
        assert_eq!(text.lines().filter(|line| line.contains(" -> n") && !line.contains('[')).count(), edges, "{text}");
        let Some(output) = with("dot", &["-Tplain"], &text) else { continue };
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !err.contains("syntax"), "{err}\n{text}");
        assert_eq!(out.lines().filter(|line| line.starts_with("node ")).count(), nodes, "{out}\n{text}");
        assert_eq!(out.lines().filter(|line| line.starts_with("edge ")).count(), edges, "{out}\n{text}");
    }
}

#[test]
fn blocks_are_folded_and_names_escaped() {
    let place = Place::with(ODD);
    insta::assert_snapshot!(place.run(&["graph", "--format", "mermaid"]).expect(0).out, @r#"
    flowchart LR
      n0["db<br/>3 instances"]
      n1["edge<br/>3 instances"]
      n2["web<br/>2 instances"]
      n1 --> n0
      n2 --> n0
      n2 --> n1
    "#);
    let full = place.run(&["graph", "--format", "mermaid", "--view", "full"]).expect(0).out;
    assert!(full.contains("[\"edge[#34;#60;b#62;東京#60;/b#62;#34;]\"]"), "{full}");
    for line in full.lines().skip(1).filter(|line| line.contains("[\"")) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
    }
}

#[test]
fn a_manual_page_is_one_to_every_reader() {
    let place = Place::empty();
    let main = place.run(&["man"]).expect(0).out;
    let said = place.run(&["man", "--out", "man"]).expect(0);
    assert!(said.out.ends_with(" manual pages are in man.\n"), "{said:#?}");
    let mut pages = vec![("lhprov".to_owned(), main)];
    for entry in std::fs::read_dir(place.path().join("man")).expect("listed") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        pages.push((name, std::fs::read_to_string(entry.path()).expect("read")));
    }
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for wanted in ["lhprov.1", "lhprov-plan.1", "lhprov-state-mv.1", "lhprov-sandbox-serve.1"] {
        assert!(names.contains(&wanted), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("complete.1") || name.contains("help")), "{names:?}");
    for (name, page) in &pages {
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        for (program, arguments) in [
            ("groff", &["-man", "-Tutf8", "-ww", "-z", "-rLL=80n"][..]),
            ("mandoc", &["-T", "lint", "-W", "warning"]),
            ("man", &["-l", "--warnings", "-"]),
        ] {
            let Some(output) = with(program, arguments, page) else { continue };
            let err = String::from_utf8_lossy(&output.stderr).into_owned()
                + if program == "mandoc" { std::str::from_utf8(&output.stdout).unwrap_or_default() } else { "" };
            // The page has no date, so that the same version is the same bytes.
            let told: Vec<&str> = err.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(told.is_empty(), "{program} on {name}: {told:#?}");
        }
    }
}
