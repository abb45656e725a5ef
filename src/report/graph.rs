//! A graph of dependencies in the languages that draw one: DOT and Mermaid.

use std::fmt::Write as _;

/// What depends on what.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// What it is the graph of.
    pub title: String,
    /// Names, and what is written below each; none of it is trusted.
    pub nodes: Vec<Node>,
    /// Positions in `nodes`: the first depends on the second.
    pub edges: Vec<(usize, usize)>,
}

/// What is drawn as one thing.
#[derive(Clone, Debug)]
pub enum Node {
    /// A block or an instance: its name, and what is said of it.
    Box(String, String),
    /// Where all instances of a block meet, so that not each of them has a line to each that waits for them.
    Meeting,
}

/// For Graphviz.
pub fn dot(graph: &Graph) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let mut out = format!("digraph {} {{\n  rankdir = \"LR\";\n  node [shape = \"box\"];\n", quoted(&graph.title));
    for (number, node) in graph.nodes.iter().enumerate() {
        let _ = match node {
            // In DOT a line break of a label is written by its escape, after what the label has of its own is escaped.
            Node::Box(name, said) if said.is_empty() => writeln!(out, "  n{number} [label = {}];", quoted(name)),
            Node::Box(name, said) => writeln!(out, "  n{number} [label = {}];", quoted(&format!("{name}\n{said}"))),
            Node::Meeting => writeln!(out, "  n{number} [shape = \"point\"];"),
        };
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(out, "  n{from} -> n{to};");
    }
    out.push_str("}\n");
    out
}

/// For Markdown and the browser.
pub fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for (number, node) in graph.nodes.iter().enumerate() {
        let _ = match node {
            Node::Box(name, said) if said.is_empty() => writeln!(out, "  n{number}[\"{}\"]", entities(name)),
            Node::Box(name, said) => writeln!(out, "  n{number}[\"{}<br/>{}\"]", entities(name), entities(said)),
            Node::Meeting => writeln!(out, "  n{number}((\" \"))"),
        };
    }
    for (from, to) in &graph.edges {
        let _ = writeln!(out, "  n{from} --> n{to}");
    }
    out
}

/// A text of which Mermaid takes nothing for its own: neither quotes nor HTML, Markdown or entities.
fn entities(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        if character.is_alphanumeric() || " .,_-:()[]/".contains(character) {
            out.push(character);
        } else {
            let _ = write!(out, "#{};", u32::from(character));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        Graph {
            title: "a \"b\"".to_owned(),
            nodes: vec![
                Node::Box("db".to_owned(), String::new()),
                Node::Box("edge[\"<b>\\\"\"]".to_owned(), "3 instances".to_owned()),
                Node::Meeting,
            ],
            edges: vec![(1, 0), (2, 1)],
        }
    }

    #[test]
    fn names_are_escaped() {
        insta::assert_snapshot!(dot(&graph()), @r#"
        digraph "a \"b\"" {
          rankdir = "LR";
          node [shape = "box"];
          n0 [label = "db"];
          n1 [label = "edge[\"<b>\\\"\"]\n3 instances"];
          n2 [shape = "point"];
          n1 -> n0;
          n2 -> n1;
        }
        "#);
        insta::assert_snapshot!(mermaid(&graph()), @r#"
        flowchart LR
          n0["db"]
          n1["edge[#34;#60;b#62;#92;#34;#34;]<br/>3 instances"]
          n2((" "))
          n1 --> n0
          n2 --> n1
        "#);
    }
}
