//! Whole texts before and after a change.

use super::{Editor, NewBlock, Yaml};
use crate::diag::SourceId;

const SOURCE: SourceId = SourceId(0);

/// A text on which every change has something to trip over.
const WRITTEN: &str = r#"# The shop. Ask ops before you touch it.
version: 1
stack: shop
region: ap-guangzhou   # the only one
defaults: # for all
  blueprint_id: lhbp-f1lkcd41
  charge: { period: 1, renew_flag: NOTIFY_AND_MANUAL_RENEW }
  tags: { team: shop }

instances:
  # The database.
  db:   # big
    # Two of everything.
    bundle_id: "bundle_rs_nmc_lin_med2_01" # quoted
    instance_name: main-db     # as it is called

    zones:
      # the near one
      - ap-guangzhou-3   # near
      - ap-guangzhou-4   # far
    tags:
      tier: back   # of the back
      owner: "ann"
    login:
      key_ids: [lhkp-abc12345, lhkp-def12345]   # ann, bob
  web: { count: 2, bundle_id: bundle_rs_nmc_lin_med2_01, instance_name: "web-${count.index}", tags: { a: b, c: d, }, }
  cache: {} # nothing special
  # The last word on instances.

# What the API admits.
rate_limits: { CreateInstances: 10 }
"#;

fn text(value: &str) -> Yaml {
    Yaml::Text(value.to_owned())
}

fn list(items: &[&str]) -> Yaml {
    Yaml::List(items.iter().map(|item| (*item).to_owned()).collect())
}

/// The text after some changes, each on what the one before left; and that it is a manifest still.
fn after(written: &str, changes: &[&dyn Fn(&mut Editor<'_>)]) -> String {
    let mut now = written.to_owned();
    for change in changes {
        let mut editor = Editor::new(&now, SOURCE).unwrap_or_else(|| panic!("not YAML any more:\n{now}"));
        change(&mut editor);
        now = editor.finish();
    }
    assert!(Editor::new(&now, SOURCE).is_some(), "not YAML any more:\n{now}");
    now
}

fn new_blocks() -> Vec<NewBlock> {
    let charge =
        |flag: &str| Yaml::Map(vec![("period".to_owned(), Yaml::Number(1)), ("renew_flag".to_owned(), text(flag))]);
    vec![
        NewBlock {
            name: "mail".to_owned(),
            keys: vec![
                ("bundle_id", text("bundle_x")),
                ("charge", charge("NOTIFY_AND_AUTO_RENEW")),
                ("instance_name", text("mail: \"old\" ${x}")),
                ("zones", list(&["ap-guangzhou-3"])),
            ],
        },
        NewBlock {
            name: "42".to_owned(),
            keys: vec![
                ("count", Yaml::Number(3)),
                ("instance_name", Yaml::Template("n_${count.index}".to_owned())),
                ("tags", Yaml::Map(vec![("no".to_owned(), text("yes")), ("k".to_owned(), text("1.10"))])),
            ],
        },
    ]
}

#[test]
fn blocks_come_behind_the_last_one() {
    let add = |editor: &mut Editor<'_>| editor.add_blocks(&["Imported.", "Twice."], &new_blocks()).unwrap();
    insta::assert_snapshot!("added", after(WRITTEN, &[&add]));
    let last = "version: 1\ninstances:\n    db:\n          bundle_id: x # here\n    # nothing follows";
    insta::assert_snapshot!("added_at_the_end", after(last, &[&add]));
    insta::assert_snapshot!("added_to_none", after("version: 1\ninstances:   {} # none yet\nstack: shop\n", &[&add]));
    let script = "instances:\n  db:\n    init_command: |\n      # not a comment\n      echo hi\n\n# of the stack\nstack: shop\n...\n";
    insta::assert_snapshot!("added_after_a_script", after(script, &[&add]));
    let windows = after("instances:\r\n  db: {}\r\nstack: shop\r\n", &[&add]);
    assert_eq!(windows.matches('\n').count(), windows.matches("\r\n").count());
}

#[test]
fn values_change_at_their_place() {
    let changed = after(
        WRITTEN,
        &[
            &|editor| editor.set("db", &["bundle_id"], &text("bundle_new")).unwrap(),
            &|editor| editor.set("db", &["instance_name"], &text("it's: new")).unwrap(),
            &|editor| editor.set("db", &["zones"], &list(&["ap-guangzhou-4", "ap-guangzhou-6"])).unwrap(),
            &|editor| editor.set("db", &["tags", "owner"], &text("bob")).unwrap(),
            &|editor| editor.remove("db", &["tags", "tier"]).unwrap(),
            &|editor| editor.set("db", &["tags", "new"], &text("1")).unwrap(),
            &|editor| editor.set("db", &["login", "key_ids"], &list(&["lhkp-def12345"])).unwrap(),
            &|editor| editor.set("db", &["power"], &text("stopped")).unwrap(),
            &|editor| editor.set("web", &["tags", "a"], &text("new")).unwrap(),
            &|editor| editor.remove("web", &["tags", "c"]).unwrap(),
            &|editor| editor.set("web", &["zones"], &list(&["ap-guangzhou-3"])).unwrap(),
            &|editor| editor.set("cache", &["instance_name"], &text("memory")).unwrap(),
            &|editor| editor.set("cache", &["bundle_id"], &text("bundle_y")).unwrap(),
        ],
    );
    insta::assert_snapshot!("changed", changed);
    let bare = after(
        WRITTEN,
        &[
            &|editor| editor.remove("db", &["tags", "tier"]).unwrap(),
            &|editor| editor.remove("db", &["tags", "owner"]).unwrap(),
            &|editor| editor.remove("web", &["tags", "a"]).unwrap(),
            &|editor| editor.remove("web", &["tags", "c"]).unwrap(),
        ],
    );
    insta::assert_snapshot!("without_tags", bare);
}

#[test]
fn what_is_not_the_blocks_own_is_refused_with_its_place() {
    let shared = "defaults: { bundle_id: b, charge: { period: 1, renew_flag: X }, login: { key_ids: [k] } }
instances:
  a: { blueprint_id: &image lhbp-1, instance_name: \"a-${stack}\", login: { key_ids: [\"${x}\"] } }
  z: &all {}
  b: *all
  c: { blueprint_id: *image, init_command: |-
      two
      lines
    }
  d: { blueprint_id: lhbp-1 }
";
    let shared =
        shared.replace(", init_command: |-\n      two\n      lines\n    }", ", zones: [\n    a, # near\n    b ] }");
    let editor = || Editor::new(&shared, SOURCE).expect("YAML");
    let cases: [(&str, &[&str], Yaml); 10] = [
        ("z", &["bundle_id"], text("x")),
        ("a", &["bundle_id"], text("x")),
        ("a", &["charge", "renew_flag"], text("x")),
        ("a", &["blueprint_id"], text("x")),
        ("a", &["instance_name"], text("x")),
        ("a", &["login", "key_ids"], list(&["k"])),
        ("b", &["blueprint_id"], text("x")),
        ("c", &["blueprint_id"], text("x")),
        ("c", &["zones"], list(&["a"])),
        ("d", &["login", "key_ids"], list(&["k"])),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(block, path, value)| {
            let problem = editor().set(block, path, value).expect_err(&format!("{block} {path:?}"));
            let span = problem.span.expect("a place");
            let place = &shared[span.start as usize..span.end as usize];
            format!(
                "{block} {}: {}\n  at `{place}`\n  help: {}",
                path.join("."),
                problem.summary,
                problem.help.join("; ")
            )
        })
        .collect();
    insta::assert_snapshot!("refused", said.join("\n"));
    for written in ["instances: { db: {} }\n", "stack: x\n", "instances:\n", "x: &x { db: {} }\ninstances: *x\n"] {
        let mut editor = Editor::new(written, SOURCE).expect("YAML");
        assert_eq!(editor.add_blocks(&[], &new_blocks()).expect_err(written).code, "not-editable");
    }
}
