//! Inputs with thousands of mistakes end: what is looked for or laid out for each of them costs no square.
//!
//! No time is asserted. Where the work grows with the square of these sizes, the limit of the test runner ends it.

use crate::support::{Place, SMALL};

const HEAD: &str = "version: 1\nstack: shop\nregion: ap-guangzhou\n";

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn thousands_of_unknown_names() {
    let place = Place::empty();
    let blocks = lines(1_500, |n| format!("  w{n}: {{ depends_on: [x{n}] }}\n"));
    place.write("lighthouse.yaml", &format!("{HEAD}instances:\n{blocks}"));
    let said = place.run(&["validate"]).expect(1);
    assert!(said.err.contains("there is no instance `x0`") && said.err.contains(" more\n"), "{}", said.err.len());
    let variables = lines(1_500, |n| format!("  v{n}: {{ default: 1 }}\n"));
    let outputs = lines(1_500, |n| format!("  o{n}: \"${{var.y{n}}}\"\n"));
    place.write("lighthouse.yaml", &format!("{SMALL}variables:\n{variables}outputs:\n{outputs}"));
    assert!(place.run(&["validate"]).expect(1).err.contains("there is no variable `y0`"));
    let keys = lines(20_000, |n| format!("zz{n}: 1\n"));
    place.write("lighthouse.yaml", &format!("{SMALL}{keys}"));
    let said = place.run(&["validate"]).expect(1);
    assert!(said.err.contains("there is no key `zz0`") && said.err.len() < 1 << 20, "{}", said.err.len());
}

#[test]
fn a_large_block_of_comments_is_formatted() {
    let place = Place::with(&format!("{SMALL}{}", "#   comment\n".repeat(50_000)));
    place.run(&["fmt"]).expect(0);
    place.run(&["fmt", "--check"]).expect(0);
    place.write("lighthouse.yaml", &format!("{}{SMALL}", "#   comment\n".repeat(50_000)));
    place.run(&["fmt"]).expect(0);
}
