//! What changes in a text, as a unified diff.

use crate::diag::SourceId;
use crate::manifest::source::Sources;
use crate::report::style::{Label, Palette};
use crate::report::text::clean_line;
use similar::TextDiff;

/// Lines around a change that are shown with it.
const AROUND: usize = 3;

/// A text of a manifest and what is to stand in its place. Passwords are blotted out on both sides.
pub fn of_text(sources: &Sources, id: SourceId, new: &str, palette: Palette) -> String {
    let path = clean_line(sources.path(id));
    let after = Sources::from_texts([(path.as_str(), new)]);
    let after = after.ids().first().map_or_else(String::new, |id| shown(&after, *id));
    let before = shown(sources, id);
    let diff = TextDiff::from_lines(&before, &after);
    let text = diff.unified_diff().context_radius(AROUND).header(&path, &path).to_string();
    text.lines().map(|line| format!("{}\n", painted(line, palette))).collect()
}

fn shown(sources: &Sources, id: SourceId) -> String {
    let lines = (0..).map_while(|line| sources.line_for_display(id, line));
    let mut text: String = lines.map(|(_, line)| clean_line(&line) + "\n").collect();
    // What follows the last line break is no line.
    if sources.text(id).ends_with('\n') {
        text.pop();
    }
    text
}

fn painted(line: &str, palette: Palette) -> String {
    let label = match line.as_bytes() {
        [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => Label::Heading,
        [b'@', ..] => Label::Found,
        [b'-', ..] => Label::Remove,
        [b'+', ..] => Label::Add,
        _ => return line.to_owned(),
    };
    palette.paint(label, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changes_and_no_password() {
        let sources = Sources::from_texts([("m.yaml", "a:  1\npassword:   secret-1\nc: 3\n")]);
        let id = sources.ids()[0];
        let shown = of_text(&sources, id, "a: 1\npassword: secret-1\nc: 3\n", Palette::plain());
        insta::assert_snapshot!(shown, @"
        --- m.yaml
        +++ m.yaml
        @@ -1,3 +1,3 @@
        -a:  1
        -password:   ********
        +a: 1
        +password: ********
         c: 3
        ");
    }
}
