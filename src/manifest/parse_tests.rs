//! Tests of the parser: places, limits, and agreement with serde_yaml.

use super::*;
use proptest::prelude::*;

fn parsed(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let mut diagnostics = Diagnostics::default();
    let root = parse(text, SourceId(0), &mut diagnostics).root;
    (root, diagnostics.sorted())
}

fn codes(text: &str) -> Vec<&'static str> {
    parsed(text).1.into_iter().map(|diagnostic| diagnostic.code).collect()
}

fn written(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

/// Every plain scalar's span has to hold exactly its text.
fn check_places(text: &str, node: &Node) {
    match &node.value {
        Value::Scalar(scalar) if !scalar.quoted => assert_eq!(written(text, node.span), scalar.text, "in {text}"),
        Value::Scalar(_) => {}
        Value::List(items) => items.iter().for_each(|item| check_places(text, item)),
        Value::Map(entries) => {
            for entry in entries {
                if !entry.key.quoted {
                    assert_eq!(written(text, entry.key_span), entry.key.text, "in {text}");
                }
                check_places(text, &entry.value);
            }
        }
    }
}

#[test]
fn places_survive_wide_characters_comments_and_carriage_returns() {
    let text =
        "# 注释 — é\r\n名前: 東京  # コメント\r\nb: [é, {c: 'd', e: 1}] # é\r\n# 中\r\nf:\r\n  - 値\r\n  - g: h\r\n";
    let (root, problems) = parsed(text);
    assert_eq!(problems, []);
    let root = root.unwrap();
    check_places(text, &root);
    let Value::Map(entries) = &root.value else { panic!("a map") };
    assert_eq!(written(text, entries[1].value.span), "[é, {c: 'd', e: 1}]");
    assert_eq!(written(text, entries[2].value.span), "- 値");
}

#[test]
fn names_what_it_refuses() {
    assert_eq!(codes("a: 1\nb: {c: 1, c: 2}\na: 3\n"), ["duplicate-key", "duplicate-key"]);
    // In a map too large to be searched, too.
    let large: String = (0..100).map(|key| format!("k{key}: 1\n")).collect();
    assert_eq!(codes(&format!("{large}k3: 1\nx: 1\nk99: 1\nx: 2\n")), ["duplicate-key"; 3]);
    assert_eq!(codes(&large), [""; 0]);
    assert_eq!(codes("a: 1\n---\nb: 2\n"), ["several-documents"]);
    assert_eq!(codes("a: &x {b: 1}\nc: {<<: *x}\n"), ["merge-key"]);
    assert_eq!(codes("a:\n\tb: 1\n"), ["tab"]);
    assert_eq!(codes("a:\n  b: 1\n\tc: 2\n"), ["tab"]);
    assert_eq!(codes("a: !!str 1\n"), ["yaml-tag"]);
    assert_eq!(codes("? [a]\n: 1\n"), ["key-type"]);
    assert_eq!(codes("a: b: c\n"), ["yaml-syntax"]);
    assert_eq!(codes("a: [1\n"), ["yaml-syntax"]);
    assert_eq!(codes("a: &x [*x]\n"), ["alias"]);
    assert_eq!(codes("a: *nobody\n"), ["yaml-syntax"]);
    assert_eq!(codes(""), ["empty-manifest"]);
    assert_eq!(codes("# nothing\n"), ["empty-manifest"]);
}

#[test]
fn an_alias_stands_for_its_value_at_its_own_place() {
    let text = "a: &x {b: [1, 2]}\nc: *x\n";
    let (root, problems) = parsed(text);
    assert_eq!(problems, []);
    let Some(Node { value: Value::Map(entries), .. }) = root else { panic!("a map") };
    assert_eq!(entries[0].value.value, entries[1].value.value);
    assert_eq!(written(text, entries[1].value.span), "*x");
}

#[test]
fn bombs_go_off_at_once() {
    let begun = std::time::Instant::now();
    assert_eq!(codes(&"[".repeat(100_000)), ["too-deep"]);
    assert_eq!(codes(&"{a: ".repeat(100_000)), ["too-deep"]);
    let nested: String = (0..3000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(codes(&nested), ["too-deep"]);

    let mut laughs = String::from("a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    assert_eq!(codes(&laughs), ["alias-bomb"]);

    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(", "));
    assert_eq!(codes(&long), ["alias-bomb"]);

    let mut deep = String::from("a0: &a0 [x]\n");
    for level in 1..100 {
        deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(codes(&deep), ["too-deep"]);
    // Generous, for machines under load; without the limits this takes minutes.
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

fn values() -> impl Strategy<Value = serde_yaml::Value> {
    use serde_yaml::Value as Yaml;
    let leaf = prop_oneof![
        Just(Yaml::Null),
        any::<bool>().prop_map(Yaml::from),
        any::<i64>().prop_map(Yaml::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Yaml::from),
        // The line separators of Unicode end a line for one of the readers alone; a manifest with them is refused.
        "\\PC{0,12}".prop_map(|text| Yaml::from(text.replace(['\u{2028}', '\u{2029}'], ""))),
        "[a-z0-9:#{}\\[\\],&*!|>'\"%@` \n-]{0,12}".prop_map(Yaml::from),
        prop::sample::select(vec!["no", "017", "0o17", "1_0", "1.10", "~", "12:34", "=", "<<x", "名前"])
            .prop_map(Yaml::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Yaml::from),
            prop::collection::vec(("[a-zA-Z0-9_. é-]{1,8}", inner), 0..6).prop_map(|entries| Yaml::Mapping(
                entries.into_iter().map(|(key, value)| (key.into(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What serde_yaml writes, both readers understand alike. (A failure prints the document and the seed.)
    #[test]
    fn both_readers_see_the_same_tree(value in values()) {
        let text = serde_yaml::to_string(&value).unwrap();
        let (root, problems) = parsed(&text);
        prop_assert_eq!(problems, vec![], "{}", text);
        let root = root.unwrap();
        prop_assert!(agree::compare(&text, &root).is_ok(), "{}", text);
    }

    /// Plain scalars as people type them are typed alike.
    #[test]
    fn plain_scalars_are_typed_alike(scalar in "[-+.0-9eExXoObBa-fA-F_~nulNULtrTR]{1,10}") {
        let text = format!("- {scalar}\n");
        let (root, problems) = parsed(&text);
        if let Some(root) = root {
            prop_assert!(agree::compare(&text, &root).is_ok(), "{}", text);
        } else {
            prop_assert!(!problems.is_empty());
        }
    }

    /// Any text at all: a tree or a problem, never a panic, and every place inside the text.
    #[test]
    fn no_text_panics(text in "([a-z:\\-\\[\\]{}&*!|>'\"#%@,? \t\r\n]|\\PC){0,60}") {
        let (root, problems) = parsed(&text);
        prop_assert!(root.is_some() || !problems.is_empty());
        for problem in problems {
            if let Some(span) = problem.span {
                prop_assert!(text.get(span.start as usize..span.end as usize).is_some());
            }
        }
    }
}
