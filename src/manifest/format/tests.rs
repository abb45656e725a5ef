//! Whole texts before and after.

use super::tokens;
use crate::diag::{Diagnostics, SourceId};
use proptest::prelude::*;

fn format(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Option<String> {
    super::format(text, source, diagnostics).0
}

fn formatted(text: &str) -> String {
    let mut diagnostics = Diagnostics::default();
    let out = format(text, SourceId(0), &mut diagnostics);
    let out = out.unwrap_or_else(|| panic!("{:?}\n{text}", diagnostics.into_vec()));
    assert_eq!(format(&out, SourceId(0), &mut Diagnostics::default()).as_ref(), Some(&out), "not the same twice");
    out
}

/// Everything that has a form of its own, written by somebody in a hurry.
const UGLY: &str = r##"
# The shop.


version:    1
stack: 'shop'
region: ap-guangzhou     # the only one
defaults:   # for all
    blueprint_id: lhbp-f1lkcd41
    charge: &charge {period: 1,renew_flag:   NOTIFY_AND_MANUAL_RENEW ,}
    tags: {}
    # the last of the defaults


instances:
      # The database.
      db:
            # Two of everything.
            bundle_id:   "bundle_x"   # quoted
            zones:
            # the near one
            -   ap-guangzhou-3 # near
            -   ap-guangzhou-4
            # after the far one
            charge:   *charge
            tags: {   tier : back,
               owner: "ann",  # who
               # and
               team: [ a,b , ] }
            init_command:    |
                #!/bin/sh
                  # not a comment
                echo hi   

                echo there


            # behind the script
      # on web
      web: {count: 2}   
      empty:
        # nothing here
      containers:
           containers:
             -  container_image: nginx
                envs:
                -   {key: 'it''s', value: 'say "hi"'}
                - - nested
                  - list
             -
                container_image: redis
                command: >-
                     one
                     two
                note: plain over
                  two lines
                quoted: "double
                   over  \
                   lines"
   # odd
      last: ~
# the end
"##;

#[test]
fn everything_gets_its_place() {
    insta::assert_snapshot!("formatted", formatted(UGLY));
}

#[test]
fn what_is_well_stays_as_it_is() {
    for text in [
        "a: 1\n",
        "# only\na:\n  - 1\n\n  - b: 2\n    c: 3\n",
        "a: |+\n  x\n\n\nb: |2\n    two more\n",
        "---\n# head\na: b\n...\n",
        "a: >-\n  x\n\n  y\n",
        "東京: \"${stack}\" # 大阪\nb:\n  - c # d\n  # e\n# f\n",
        "a: {\n  b: 1,\n}\n",
        "a:\n  [\n    1,\n    2,\n  ]\n",
    ] {
        assert_eq!(formatted(text), text);
    }
}

#[test]
fn line_breaks_stay_what_they_were() {
    assert_eq!(formatted("a:   1\r\nb: |\r\n   x\r\n"), "a: 1\r\nb: |\r\n  x\r\n");
    assert_eq!(formatted("a:  1"), "a: 1\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("# a\n\n\n#b"), "# a\n\n#b\n");
}

#[test]
fn what_cannot_be_laid_out_is_refused() {
    for (text, code) in [("? a\n: b\n", "not-formattable"), ("a: [", "yaml-syntax"), ("a: 1\na: 2\n", "duplicate-key")]
    {
        let mut diagnostics = Diagnostics::default();
        assert_eq!(format(text, SourceId(0), &mut diagnostics), None, "{text}");
        assert!(diagnostics.iter().any(|one| one.code == code), "{text} {diagnostics:?}");
    }
}

/// Values in all forms, in a map or a list at some depth, with comments and blanks wherever they may stand.
fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "[a-z]{1,6}",
        "[0-9]{1,4}",
        "\"[a-z #:'-]{0,8}\"",
        "'[a-z #:\"-]{0,8}'",
        Just("~".to_owned()),
        Just("${var.x}".to_owned()),
        "\\{ ?[a-c] ?: [a-z]{1,3} ?,? ?\\}".prop_map(|text| text.replace(" :", ":")),
        "\\[ ?[a-z]{1,3} ?,  ?[0-9] ?\\]",
    ];
    let block = ("[|>][+-]?", proptest::collection::vec("( {0,3}[a-z#:-]{1,6}|)", 1..4));
    let value =
        prop_oneof![3 => scalar.prop_map(Node::Scalar), 1 => block.prop_map(|(head, lines)| Node::Block(head, lines))];
    let node = value.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Node::List),
            proptest::collection::vec(inner, 1..4).prop_map(Node::Map),
        ]
    });
    let odds = proptest::collection::vec(0_u8..8, 40);
    (proptest::collection::vec(node, 1..4), odds, 1_usize..5).prop_map(|(nodes, odds, step)| {
        let mut written = Written { out: String::new(), odds, at: 0, step };
        written.map(&nodes, 0);
        written.out
    })
}

#[derive(Clone, Debug)]
enum Node {
    Scalar(String),
    Block(String, Vec<String>),
    List(Vec<Node>),
    Map(Vec<Node>),
}

struct Written {
    out: String,
    odds: Vec<u8>,
    at: usize,
    step: usize,
}

impl Written {
    fn odd(&mut self) -> u8 {
        self.at += 1;
        self.odds[self.at % self.odds.len()]
    }

    fn between(&mut self, indent: usize) {
        match self.odd() {
            0 => self.out.push_str(&format!("{:indent$}# c{}\n", "", self.at)),
            1 => self.out.push_str("\n\n"),
            2 => self.out.push_str(&format!("\n{:1$}# d\n", "", indent + 1)),
            3 => self.out.push_str(&format!("{:1$}# e\n", "", indent.saturating_sub(1))),
            _ => {}
        }
    }

    fn map(&mut self, nodes: &[Node], indent: usize) {
        for (number, node) in nodes.iter().enumerate() {
            self.between(indent);
            self.out.push_str(&format!("{:indent$}k{number}:", ""));
            self.value(node, indent);
        }
    }

    fn list(&mut self, nodes: &[Node], indent: usize) {
        for node in nodes {
            self.between(indent);
            self.out.push_str(&format!("{:indent$}-", ""));
            match node {
                // In the compact form.
                Node::Map(nodes) if self.odd() < 5 => {
                    let (first, rest) = nodes.split_at(1);
                    self.out.push_str(" k:");
                    self.value(&first[0], indent + 2);
                    self.map(rest, indent + 2);
                }
                other => self.value(other, indent),
            }
        }
    }

    fn value(&mut self, node: &Node, indent: usize) {
        match node {
            Node::Scalar(text) => {
                let blanks = " ".repeat(1 + usize::from(self.odd() / 3));
                let comment = if self.odd() == 0 { "   # inline" } else { "" };
                self.out.push_str(&format!("{blanks}{text}{comment}\n"));
            }
            Node::Block(head, lines) => {
                let comment = if self.odd() == 0 { " # behind" } else { "" };
                self.out.push_str(&format!(" {head}{comment}\n"));
                // The first line says how far all are indented.
                self.out.push_str(&format!("{:1$}x\n", "", indent + self.step));
                for line in lines {
                    self.out.push_str(&format!("{:1$}{line}\n", "", indent + self.step));
                }
            }
            Node::List(nodes) => {
                self.out.push('\n');
                let inner = indent + self.step;
                self.list(nodes, inner);
            }
            Node::Map(nodes) => {
                self.out.push('\n');
                let inner = indent + self.step;
                self.map(nodes, inner);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_means_the_same_and_comes_out_the_same_twice(text in document()) {
        let mut diagnostics = Diagnostics::default();
        // What is not YAML is no text.
        prop_assume!(super::parse::parse(&text, SourceId(0), &mut diagnostics).root.is_some() && !diagnostics.has_errors());
        let out = format(&text, SourceId(0), &mut diagnostics);
        prop_assert!(out.is_some(), "{text}");
        let out = out.unwrap_or_default();
        prop_assert_eq!(format(&out, SourceId(0), &mut diagnostics), Some(out.clone()), "{}", text);
        let (before, after) = (tokens::read(&text).unwrap(), tokens::read(&out).unwrap());
        prop_assert_eq!(super::comments(&before), super::comments(&after));
        prop_assert!(!out.contains("\n\n\n") || text.contains('|') || text.contains('>'));
    }
}
