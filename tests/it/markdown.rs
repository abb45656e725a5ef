//! Markdown for pull requests: from the real command, over real changes.

use crate::support::{NOBODY, Place, SMALL, Said};

/// The comment by which a later page takes the place of an earlier one, and the headline.
fn top(said: &Said) -> (String, String) {
    let mut lines = said.out.lines();
    (lines.next().unwrap_or_default().to_owned(), lines.next().unwrap_or_default().to_owned())
}

fn boxed(arguments: &[&str]) -> Vec<String> {
    let options = ["--sandbox=box", "--boot", "0s", "--format", "markdown"];
    arguments.iter().chain(&options).map(|word| (*word).to_owned()).collect()
}

fn run(place: &Place, arguments: &[&str]) -> Said {
    let words = boxed(arguments);
    place.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_life_in_comments() {
    let place = Place::with(SMALL);
    let planned = run(&place, &["plan"]).expect(0);
    insta::assert_snapshot!(planned.out, @r"
    <!-- lhprov:plan stack=small -->
    ### Plan for `small`: 3 to add, 0 to change, 0 to destroy (sandbox)

    `ap-guangzhou` · 150.00 CNY now · 150.00 CNY a month · quota left: 19997 GENERAL_BUNDLE

    **Costs money**

    - `db` create bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41, 1 month
      - costs 50.00 CNY now
    - `web[0-1]` create 2 × bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41, 1 month, 1 batch
      - costs 50.00 CNY each now

    <details><summary>Changes (2)</summary>

    ```diff
    + db  create bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41, 1 month
          costs 50.00 CNY now
    + web[0-1]  create 2 × bundle_rs_nmc_lin_med2_01 in any zone, lhbp-f1lkcd41, 1 month, 1 batch
          costs 50.00 CNY each now
    ```

    </details>
    ");
    assert_eq!(planned.err, "");
    let applied = run(&place, &["apply", "--yes"]).expect(0);
    let (marker, title) = top(&applied);
    assert_eq!(marker, "<!-- lhprov:apply stack=small -->");
    assert_eq!(title, "### `lhprov apply` of `small`: 3 running (sandbox)");
    assert!(applied.out.contains("**Bought in this run**\n\n- `db` 1 instance, request `"), "{}", applied.out);
    assert!(applied.out.contains("<details><summary>Running (3)</summary>\n\n- `db` `lhins-"), "{}", applied.out);
    let planned = run(&place, &["plan"]).expect(0);
    assert_eq!(
        planned.out,
        "<!-- lhprov:plan stack=small -->\n### Plan for `small`: no changes (sandbox)\n\n`ap-guangzhou` · 3 unchanged\n\n"
    );
    let drift = run(&place, &["drift"]).expect(0);
    assert_eq!(top(&drift).1, "### Drift of `small`: 3 instances are as they were left (sandbox)");
    let destroyed = run(&place, &["destroy", "--yes"]).expect(0);
    assert_eq!(top(&destroyed).0, "<!-- lhprov:destroy stack=small -->");
    assert_eq!(top(&destroyed).1, "### `lhprov destroy` of `small`: 3 isolated (sandbox)");
}

/// A name may hold what it likes; the comment stays whole.
#[test]
fn a_script_that_changes_is_a_diff_and_names_break_nothing() {
    let manifest = |port: u32| {
        format!(
            "version: 1\nstack: odd\nregion: ap-guangzhou\ninstances:\n  web:\n    for_each: {{ \"a`b|</details>\": {{}} }}\n    \
             bundle_id: bundle_rs_nmc_lin_med2_01\n    blueprint_id: lhbp-f1lkcd41\n    charge: {{ period: 1 }}\n    \
             instance_name: \"<script>alert(1)</script> @team\"\n    init_command: |\n      #!/bin/sh\n      # ```\n      \
             serve --port {port}\n      exit 0\n"
        )
    };
    let place = Place::with(&manifest(80));
    run(&place, &["apply", "--yes"]).expect(0);
    place.write("lighthouse.yaml", &manifest(8080));
    let planned = run(&place, &["plan"]).expect(0);
    let (_, title) = top(&planned);
    assert_eq!(title, "### Plan for `odd`: 1 to add, 0 to change, 1 to destroy (sandbox)");
    let wanted = "````diff\n! web[\"a`b|</details>\"]  replace";
    assert!(planned.out.contains(wanted), "{}", planned.out);
    assert!(planned.out.contains("-       serve --port 80\n+       serve --port 8080\n"), "{}", planned.out);
    assert!(planned.out.contains("- ``web[\"a`b|</details>\"]`` replace"), "{}", planned.out);
    // For people it is the same difference.
    let text = place.run(&["plan", "--sandbox=box"]).expect(0);
    insta::assert_snapshot!(text.out.replace(|c: char| !c.is_ascii() && c != '…', "?").lines().take(8).map(|line| {
        match line.find("lhins-") { Some(at) => line[..at].to_owned() + "lhins-…", None => line.to_owned() }
    }).collect::<Vec<_>>().join("\n"), @r#"
    +/- web["a`b|</details>"]  replace lhins-…
          init_command:
            content: |
              #!/bin/sh
              # ```
          -   serve --port 80
          +   serve --port 8080
              exit 0
    "#);
}

#[test]
fn ten_thousand_instances_fit_into_a_comment() {
    let keys: String = (0..3_000).map(|n| format!("\"key number {n}\": {{ n: \"{n}\" }}, ")).collect();
    let place = Place::with(&format!(
        "version: 1\nstack: big\nregion: ap-guangzhou\ninstances:\n  web:\n    for_each: {{ {keys} }}\n    bundle_id: b\n    \
         blueprint_id: c\n    charge: {{ period: 1 }}\n    tags: {{ n: \"${{each.value.n}}\" }}\n"
    ));
    let said = place.run(&["plan", "--sandbox=box", "--no-refresh", "--format", "markdown"]).expect(0);
    assert!(said.out.len() <= 65_536 && said.out.len() > 60_000, "{}", said.out.len());
    assert_eq!(top(&said).1, "### Plan for `big`: 3000 to add, 0 to change, 0 to destroy (sandbox)");
    assert!(said.out.contains("more, left out to fit; `lhprov plan` shows all of them."), "{}", said.out);
    assert!(said.out.ends_with("</details>\n\n"), "{}", said.out);
}

#[test]
fn three_hundred_equal_creates_read_on_one_screen() {
    let manifest = SMALL.replace("count: 2", "count: 300").replace(", depends_on: [db]", "");
    let place = Place::with(&manifest);
    let said = place.run(&["plan", "--sandbox=box"]).expect(0);
    assert!(said.out.lines().count() < 25, "{}", said.out);
    let full = place.run(&["plan", "--sandbox=box", "--view", "full"]).expect(0);
    for n in 0..300 {
        assert!(full.out.contains(&format!("web[{n}]  create")), "{n}");
    }
}

#[test]
fn what_failed_is_told_in_markdown_too() {
    let place = Place::with("version: 1\nstack: x\nregion: ap-guangzhou\ninstances: { a: { bundel_id: b } }\n");
    let said = run(&place, &["plan"]).expect(1);
    assert_eq!(top(&said).0, "<!-- lhprov:plan -->");
    assert!(said.out.contains("\nerror[unknown-key]: there is no key `bundel_id` in an instance\n"), "{}", said.out);
    assert!(said.err.contains("error[unknown-key]"), "{}", said.err);
    let mut place = Place::with(SMALL);
    place.set("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE");
    place.set("TENCENTCLOUD_SECRET_KEY", "not-a-real-key");
    let said = place.run(&["apply", "--yes", "--endpoint", NOBODY, "--format", "markdown"]).expect(1);
    assert_eq!(top(&said).0, "<!-- lhprov:apply stack=small -->");
    assert!(top(&said).1.starts_with("### `lhprov apply` of `small` failed: "), "{}", said.out);
    let said = run(&Place::with(SMALL), &["drift", "--accept"]).expect(64);
    assert!(said.err.contains("--accept has no result as markdown"), "{}", said.err);
}

#[test]
fn a_fault_stands_first() {
    let place = Place::with(SMALL);
    let fault = ["apply", "--yes", "--no-preflight", "--fault", "sold-out:CreateInstances:n=9"];
    let said = run(&place, &fault);
    assert!(matches!(said.code, Some(1 | 6)), "{said:#?}");
    let failed = said.out.find("**Not started**").expect("what failed");
    assert!(said.out.find("<details>").is_none_or(|folded| failed < folded), "{}", said.out);
    assert!(said.out.contains("ResourcesSoldOut"), "{}", said.out);
    assert!(said.out.contains("`lhprov explain ResourcesSoldOut"), "{}", said.out);
}
