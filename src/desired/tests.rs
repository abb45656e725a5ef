//! Tests of expansion: what becomes of a manifest that is right, and that nothing panics on one that is not.

use super::*;
use crate::model::{Address, Login, Ownership, Site};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const HEAD: &str = "version: 1\nstack: shop\nregion: ap-guangzhou\n\
     defaults: { bundle_id: b, blueprint_id: c, charge: { period: 1 }, tags: { owner: all, tier: none } }\ninstances:\n";

fn environment(name: &str) -> Option<String> {
    (name == "PASSWORD").then(|| "Long-enough-1".to_owned())
}

fn outcome(text: &str) -> (Option<DesiredState>, Vec<&'static str>) {
    let (desired, _, diagnostics) =
        load_sources(Sources::from_texts([("m.yaml", text)]), &Given::default(), &environment);
    (desired, diagnostics.sorted().into_iter().map(|diagnostic| diagnostic.code).collect())
}

fn desired(instances: &str) -> DesiredState {
    let (desired, problems) = outcome(&format!("{HEAD}{instances}"));
    desired.unwrap_or_else(|| panic!("{problems:?}"))
}

fn codes(instances: &str) -> Vec<&'static str> {
    outcome(&format!("{HEAD}{instances}")).1
}

#[test]
fn count_makes_addresses_and_names() {
    let state = desired("  web: { count: 2 }\n  db: {}\n  one: { count: 1 }\n  none: { count: 0 }\n");
    let addresses: Vec<String> = state.instances.keys().map(ToString::to_string).collect();
    assert_eq!(addresses, ["db", "one[0]", "web[0]", "web[1]"]);
    let names: Vec<&str> = state.instances.values().map(|wanted| wanted.spec.instance_name.as_str()).collect();
    assert_eq!(names, ["db", "one-0", "web-0", "web-1"]);
    assert_eq!((state.site, state.ownership), (Site::China, Ownership::Tags));
    assert_eq!(state.token_ttl, state::TOKEN_TTL_DEFAULT);
}

#[test]
fn defaults_lie_under_every_block_key_by_key() {
    let text =
        "  web:\n    charge: { renew_flag: NOTIFY_AND_AUTO_RENEW }\n    tags: { tier: front }\n    bundle_id: own\n";
    let state = desired(text);
    let spec = &state.instances[&Address::single("web")].spec;
    assert_eq!((spec.bundle_id.as_str(), spec.blueprint_id.as_str(), spec.charge.period), ("own", "c", 1));
    assert_eq!(spec.charge.renew_flag.as_str(), "NOTIFY_AND_AUTO_RENEW");
    assert_eq!(
        spec.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        ["owner=all", "tier=front"]
    );
}

#[test]
fn interpolation_keeps_types_and_literals() {
    let text = "  web:\n    count: 2\n    instance_name: \"${stack}-${ count.index }$${x}\"\n    tags: { index: \"${count.index}\" }\n    \
                containers: [{ container_image: i, publish_ports: [{ host_port: 80, container_port: 81 }] }]\n    \
                init_command: { content: x, timeout: 5 }\n";
    let state = desired(text);
    let spec = &state.instances[&Address::indexed("web", 1)].spec;
    assert_eq!(spec.instance_name, "shop-1${x}");
    assert_eq!(spec.tags["index"], "1");
    // A number from an expression is checked like a number.
    assert_eq!(codes("  web: { count: 2, charge: { period: \"${count.index}\" } }\n"), ["period"]);
    assert_eq!(codes("  web: { instance_name: \"${count.index}\" }\n"), ["interpolation"]);
}

/// What does not depend on which instance it is for is worked out once; whatever does, anew for each.
#[test]
fn each_instance_has_its_own_index_wherever_it_is_named() {
    for own in [
        "tags: { tier: \"t${count.index}\" }",
        "zones: [\"ap-guangzhou-${count.index}\"]",
        "bundle_id: \"b${count.index}\"",
        "init_command: { content: \"echo ${count.index}\" }",
        "containers: [{ container_image: i, envs: { I: \"${count.index}\" } }]",
        "login: { key_ids: [\"lhkp-${count.index}\"] }",
    ] {
        let state = desired(&format!("  web: {{ count: 3, instance_name: web, {own} }}\n"));
        let specs: Vec<_> = state.instances.values().map(|wanted| wanted.spec.to_json("")).collect();
        assert!(specs[0] != specs[1] && specs[1] != specs[2] && specs[0] != specs[2], "{own}");
    }
    for (name, shared) in [("web", true), ("web-${count.index}", false)] {
        let state = desired(&format!("  web: {{ count: 3, instance_name: \"{name}\", tags: {{ tier: front }} }}\n"));
        let specs: Vec<_> = state.instances.values().map(|wanted| &wanted.spec).collect();
        assert_eq!(Arc::ptr_eq(specs[0], specs[2]), shared);
        assert_eq!(specs[2].instance_name, name.replace("${count.index}", "2"));
        assert_eq!(specs[0].tags, specs[2].tags);
    }
}

#[test]
fn passwords_come_from_outside() {
    let state = desired("  web: { login: { password: \"${env:PASSWORD}\" } }\n");
    let login = state.instances[&Address::single("web")].spec.login.clone();
    assert!(matches!(login, Some(Login::Password(secret)) if secret.expose() == "Long-enough-1"));
    assert!(render(&state).contains(render::PASSWORD_PLACEHOLDER));
    assert!(!render(&state).contains("Long-enough"));
}

#[test]
fn the_password_rule_of_the_api() {
    let mut diagnostics = Diagnostics::default();
    let mut problems = problems::Problems::new(&mut diagnostics);
    let mut expected = 0;
    for (password, good) in [
        ("Abcdefg1", true),
        ("abcdef-1", true),
        ("abcdefg1", false),
        ("Abcdef1", false),
        ("Abc def-1", false),
        ("/Abcdef-1", false),
        ("Abcdefghijklmnopqrstuvwxyz-1234", false),
    ] {
        let at = crate::diag::Span { source: crate::diag::SourceId(0), start: expected, end: 99 };
        check::password(&mut problems, at, password);
        expected += u32::from(!good);
    }
    assert_eq!(diagnostics.sorted().len(), expected as usize);
}

#[test]
fn dependencies_name_blocks_and_instances() {
    let state = desired("  db: {}\n  app: { count: 2 }\n  web: { count: 2, depends_on: [db, app, \"app[1]\", db] }\n");
    let [first, second] = [0, 1].map(|index| &state.instances[&Address::indexed("web", index)].depends_on);
    assert_eq!(
        first[..],
        [
            DependencyRef::Block("app".into()),
            DependencyRef::Block("db".into()),
            DependencyRef::Instance(Address::indexed("app", 1))
        ]
    );
    assert!(std::sync::Arc::ptr_eq(first, second));
    let state = desired("  app: { count: 2 }\n  web: { count: 2, depends_on: [\"app[${count.index}]\"] }\n");
    let second = &state.instances[&Address::indexed("web", 1)].depends_on;
    assert_eq!(second[..], [DependencyRef::Instance(Address::indexed("app", 1))]);
}

#[test]
fn cycles_are_found_where_they_are_and_nowhere_else() {
    assert_eq!(codes("  a: { depends_on: [b] }\n  b: { depends_on: [c] }\n  c: {}\n"), [""; 0]);
    // `b[1]` waits for `a[1]`, and `a[0]` for `b[0]`: blocks in a circle, instances not.
    let text = "  a: { count: 2 }\n  b: { count: 2, depends_on: [\"a[${count.index}]\"] }\n  c: { depends_on: [\"b[0]\", a] }\n";
    assert_eq!(codes(text), [""; 0]);
    assert_eq!(codes("  a: { depends_on: [b] }\n  b: { depends_on: [a] }\n"), ["dependency-cycle"]);
    let text =
        "  a: { depends_on: [b] }\n  b: { depends_on: [a] }\n  c: { depends_on: [d] }\n  d: { depends_on: [c] }\n";
    assert_eq!(codes(text), ["dependency-cycle"; 2]);
    // A block of none still stands in the way of nothing.
    assert_eq!(codes("  a: { depends_on: [b] }\n  b: { count: 0, depends_on: [a] }\n"), [""; 0]);
}

#[test]
fn large_fleets_cost_what_they_hold() {
    let begun = Instant::now();
    let state = desired("  db: { count: 20000 }\n  web: { count: 20000, depends_on: [db] }\n");
    assert_eq!(state.instances.len(), 40_000);
    let chain: String = (0..5000).map(|block| format!("  b{block}: {{ depends_on: [b{}] }}\n", block + 1)).collect();
    assert_eq!(desired(&format!("{chain}  b5000: {{}}\n")).instances.len(), 5001);
    assert_eq!(codes(&format!("{chain}  b5000: {{ depends_on: [b0] }}\n")), ["dependency-cycle"]);
    // Far above what it takes, in debug, on a busy machine; an edge for each pair would be 400 million.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn keys_and_variables_cost_what_they_hold() {
    let begun = Instant::now();
    let keys: String =
        (0..10_000).map(|key| format!("k{key}: {{ zone: ap-guangzhou-3, after: \"db[{key}]\" }}, ")).collect();
    let blocks = format!(
        "  db: {{ count: 10000 }}\n  edge:\n    for_each: {{ {keys} }}\n    zones: [\"${{each.value.zone}}\"]\n    \
         instance_name: \"e-${{each.key}}\"\n    depends_on: [\"${{each.value.after}}\"]\n  last: {{ depends_on: [edge] }}\n"
    );
    let state = desired(&blocks);
    assert_eq!(state.instances.len(), 20_001);
    let one = &state.instances[&Address::named("edge", "k9999")];
    assert_eq!(one.depends_on[..], [DependencyRef::Instance(Address::indexed("db", 9999))]);
    // One mistake in a block of ten thousand keys is one mistake.
    assert_eq!(codes(&blocks.replace("ap-guangzhou-3", "nowhere")), ["zone"]);
    // Moves are looked up, not searched; a long chain of them costs its length.
    let moved: String = (0..10_000).map(|at| format!("  - {{ from: m{at}, to: m{} }}\n", at + 1)).collect();
    let (state, problems) = outcome(&format!("{HEAD}  m10000: {{}}\nmoved:\n{moved}"));
    assert_eq!(problems, [""; 0]);
    let to = state.unwrap().moves.target(&Address::single("m0"));
    assert_eq!(to.map(|(address, _)| address), Some(Address::single("m10000")));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_block_moves_with_its_keys_and_an_address_alone() {
    let text = "  app: { count: 2 }\n  db: { count: 1 }\nmoved: [{ from: web, to: app }, { from: db, to: \"db[0]\" }, { from: older, to: web }]\n\
                forget: [cache, \"queue[1]\"]\n";
    let moves = outcome(&format!("{HEAD}{text}")).0.unwrap().moves;
    for (from, to) in [
        ("web[1]", Some("app[1]")),
        ("older[\"x\"]", Some("app[\"x\"]")),
        ("db", Some("db[0]")),
        ("db[0]", None),
        ("app[0]", None),
    ] {
        let target = moves.target(&from.parse().unwrap()).map(|(address, _)| address.to_string());
        assert_eq!(target.as_deref(), to, "{from}");
    }
    let forgets = |address: &str| moves.forgets(&address.parse().unwrap()).is_some();
    assert!(
        forgets("cache[3]") && forgets("cache") && forgets("queue[1]") && !forgets("queue[0]") && !forgets("queue")
    );
}

#[test]
fn one_mistake_in_defaults_is_one_problem() {
    let blocks: String = (0..50).map(|block| format!("  b{block}: {{ count: 3 }}\n")).collect();
    let text = format!("{HEAD}{blocks}").replace("period: 1", "period: 13");
    assert_eq!(outcome(&text).1, ["period"]);
}

/// Pieces of manifests, right and wrong, put together at random.
fn fragments() -> impl Strategy<Value = String> {
    let values = prop::sample::select(vec![
        "1",
        "-1",
        "no",
        "true",
        "~",
        "\"\"",
        "x",
        "[x]",
        "{}",
        "[]",
        "{ file: x }",
        "\"${count.index}\"",
        "${stack}",
        "\"${\"",
        "\"${env:PASSWORD}\"",
        "99999999999999999999",
        "1e999",
        "ap-guangzhou-3",
        "{ period: 12 }",
        "[a, \"a[0]\"]",
        "[{}]",
        "{ password: x, key_ids: [y] }",
        "5m",
        "\"名\u{1b}前\"",
        "{ a: b }",
        "{ 1: [2] }",
        "{ a: { zone: ap-guangzhou-3 }, b: ~ }",
        "\"${var.s}\"",
        "${var.n}",
        "${var.l}",
        "${var.m}",
        "\"x${var.n}${var.m.k}\"",
        "\"${each.key}\"",
        "${each.value}",
        "[\"${each.value.zone}\"]",
        "${var.none}",
        "b",
        "[b]",
    ]);
    let keys = prop::sample::select(vec![
        "bundle_id",
        "blueprint_id",
        "charge",
        "instance_name",
        "zones",
        "count",
        "depends_on",
        "tags",
        "login",
        "containers",
        "init_command",
        "firewall_template_id",
        "auto_voucher",
        "domain_name",
        "subdomain",
        "protect",
        "timeouts",
        "for_each",
        "nothing",
    ]);
    let block = prop::collection::vec((keys, values.clone()), 0..5).prop_map(|entries| {
        entries.iter().fold(String::from("{"), |text, (key, value)| format!("{text} {key}: {value},")) + " }"
    });
    let top = prop::sample::select(vec![
        "site: international",
        "ownership: name",
        "token_ttl: 1",
        "defaults: ~",
        "defaults: { zones: [\"${each.value.zone}\"], bundle_id: \"${var.s}\", blueprint_id: b, charge: { period: \"${var.n}\" } }",
        "outputs: { o: \"${instances.a.zone}\", p: [\"${instances.b[*]}-${var.l}\", \"${var.l}\"] }",
        "moved: [{ from: x, to: a }, { from: c, to: \"b[0]\" }]",
        "forget: [a, \"z[1]\"]",
        "x: y",
        "# z",
    ]);
    (top, prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "\"\"", "7"]), block), 0..4)).prop_map(
        |(top, blocks)| {
            let blocks: String = blocks.iter().map(|(name, block)| format!("  {name}: {block}\n")).collect();
            let variables = "{ s: { default: t }, n: { default: 3 }, l: { default: [a] }, m: { default: { k: v } } }";
            format!("version: 1\nstack: s\nregion: ap-guangzhou\nvariables: {variables}\n{top}\ninstances:\n{blocks}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// A state or an error, never a panic, and what comes out can be rendered and read again.
    #[test]
    fn no_manifest_panics(text in fragments()) {
        let (desired, problems) = outcome(&text);
        prop_assert_eq!(desired.is_none(), !problems.is_empty(), "{}", text);
        if let Some(desired) = desired {
            let rendered: serde_yaml::Value = serde_yaml::from_str(&render(&desired)).unwrap();
            prop_assert_eq!(rendered["version"].as_u64(), Some(1));
        }
    }
}
