//! A run that failed before it had a result, as a page.

use super::escape::{block_text, code, prose};
use super::page::{Entry, Form, Page, Section};

/// The page of a failure: `line` says what went wrong, `told` what a terminal shows of it.
pub fn failure(command: &'static str, stack: Option<&str>, line: &str, told: &str) -> Page {
    let of = stack.map(|stack| format!(" of {}", code(stack))).unwrap_or_default();
    let lines = block_text(told.trim_end());
    Page {
        command,
        stack: stack.map(str::to_owned),
        title: format!("`lhprov {command}`{of} failed: {}", prose(line)),
        lead: Vec::new(),
        sections: vec![Section {
            heading: "Errors".into(),
            folded: false,
            form: Form::Code("text"),
            entries: lines.lines().map(Entry::line).collect(),
            all: format!("lhprov {command}"),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::super::COMMENT_MAX;
    use super::*;

    #[test]
    fn says_what_a_terminal_says() {
        let told = "error: the manifest has no `x`\n  help: ```\u{1b}[1m\n";
        insta::assert_snapshot!(failure("plan", None, "the manifest has no `x`", told).render(COMMENT_MAX), @r"
        <!-- lhprov:plan -->
        ### `lhprov plan` failed: the manifest has no `x`

        **Errors**

        ````text
        error: the manifest has no `x`
          help: ```␛[1m
        ````
        ");
    }
}
