//! A page that fits: headline first, then sections whose entries are folded, then cut, until all of it is within a limit.
//!
//! Nothing is measured afterwards. What every section needs to be closed and to say what it left out is set aside first; an
//! entry is taken if it goes into what remains. All first lines come before any details.

use super::escape::{comment, fence};
use std::fmt::Write as _;

/// Most bytes of a comment on a pull request. GitHub counts 65,536 characters, which are never more than bytes.
pub const COMMENT_MAX: usize = 65_536;

/// Least limit that a page can be held to: its headline, and the frames of its sections.
pub const LIMIT_MIN: usize = 24 * 1024;

/// What stands at the top, at most: the marker, the headline and what belongs to it.
const TOP_MAX: usize = 12 * 1024;

/// Most lines under a headline.
const LEAD_MAX: usize = 6;

/// Bytes set aside for each section's word on what it left out.
const LEFT_OUT_MAX: usize = 300;

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Which command, and of which stack: by it a later page takes the place of an earlier one.
    pub command: &'static str,
    /// The stack, where it is known.
    pub stack: Option<String>,
    /// The headline, markdown.
    pub title: String,
    /// Lines under the headline, markdown.
    pub lead: Vec<String>,
    /// Sections, the most important first.
    pub sections: Vec<Section>,
}

/// How the entries of a section look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A list; entries are markdown.
    List,
    /// A block of code in this language; entries are its lines.
    Code(&'static str),
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its heading, plain words of ours.
    pub heading: String,
    /// Whether it is folded.
    pub folded: bool,
    /// How its entries look.
    pub form: Form,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The command that shows all of them.
    pub all: String,
}

/// An entry: what has to be said, and what can be left out.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its first line.
    pub head: String,
    /// Its details, whole lines; empty where there are none.
    pub more: String,
}

impl Entry {
    /// With nothing to leave out.
    pub fn line(head: impl Into<String>) -> Self {
        Self { head: head.into(), more: String::new() }
    }
}

/// How much of a section is shown.
#[derive(Default)]
struct Shown {
    heads: usize,
    details: Vec<bool>,
}

impl Page {
    /// The page in at most `limit` bytes.
    ///
    /// # Panics
    /// Where the limit is below [`LIMIT_MIN`]: a mistake of the caller.
    pub fn render(&self, limit: usize) -> String {
        assert!(limit >= LIMIT_MIN, "a page needs {LIMIT_MIN} bytes, not {limit}");
        let mut out = self.top();
        let sections: Vec<&Section> = self.sections.iter().filter(|section| !section.entries.is_empty()).collect();
        let frames: usize = sections.iter().map(|section| section.frame().len() + LEFT_OUT_MAX).sum();
        let mut room = limit.saturating_sub(out.len() + frames);
        let mut shown: Vec<Shown> = Vec::new();
        for section in &sections {
            let mut taken = Shown::default();
            for entry in &section.entries {
                let needed = section.head(entry).len();
                if needed > room {
                    break;
                }
                room -= needed;
                taken.heads += 1;
            }
            shown.push(taken);
        }
        for (section, shown) in sections.iter().zip(&mut shown) {
            for entry in &section.entries[..shown.heads] {
                let needed = section.more(entry).len();
                let fits = needed <= room;
                room -= if fits { needed } else { 0 };
                shown.details.push(fits);
            }
        }
        for (section, shown) in sections.iter().zip(&shown) {
            section.write(shown, &mut out);
        }
        out
    }

    fn top(&self) -> String {
        let stack = self.stack.as_deref().map(|stack| format!(" stack={}", comment(stack))).unwrap_or_default();
        let mut out = format!("<!-- lhprov:{}{stack} -->\n", self.command);
        for line in std::iter::once(format!("### {}", self.title)).chain(self.lead.iter().take(LEAD_MAX).cloned()) {
            // What writes the headline keeps it short; this holds whatever that does.
            if out.len() + line.len() + 2 <= TOP_MAX {
                let _ = write!(out, "{line}\n\n");
            }
        }
        out
    }
}

impl Section {
    fn head(&self, entry: &Entry) -> String {
        match self.form {
            Form::List => format!("- {}\n", entry.head),
            Form::Code(_) => format!("{}\n", entry.head),
        }
    }

    fn more(&self, entry: &Entry) -> String {
        entry.more.lines().fold(String::new(), |mut out, line| {
            let _ = match self.form {
                Form::List => writeln!(out, "  {line}"),
                Form::Code(_) => writeln!(out, "{line}"),
            };
            out
        })
    }

    fn opening(&self) -> String {
        let count = self.entries.len();
        let mut out = match self.folded {
            true => format!("<details><summary>{} ({count})</summary>\n\n", self.heading),
            false => format!("**{}**\n\n", self.heading),
        };
        if let Form::Code(language) = self.form {
            let _ = writeln!(out, "{}{language}", self.fence());
        }
        out
    }

    fn closing(&self, left_out: &str) -> String {
        let mut out = match self.form {
            Form::List => String::new(),
            Form::Code(_) => format!("{}\n", self.fence()),
        };
        if !left_out.is_empty() {
            let _ = write!(out, "\n{left_out}\n");
        }
        out.push_str(if self.folded { "\n</details>\n\n" } else { "\n" });
        out
    }

    fn frame(&self) -> String {
        self.opening() + &self.closing("")
    }

    fn fence(&self) -> String {
        fence(self.entries.iter().flat_map(|entry| [entry.head.as_str(), entry.more.as_str()]))
    }

    fn write(&self, shown: &Shown, out: &mut String) {
        out.push_str(&self.opening());
        let mut without_details = 0;
        for (entry, with_details) in self.entries.iter().zip(&shown.details) {
            out.push_str(&self.head(entry));
            if *with_details {
                out.push_str(&self.more(entry));
            } else {
                without_details += 1;
            }
        }
        let (left_out, all) = (self.entries.len() - shown.heads, &self.all);
        let text = match (left_out, without_details) {
            (0, 0) => String::new(),
            (0, number) => format!("Details of {number} left out to fit; `{all}` shows all of them."),
            (number, _) => format!("… and {number} more, left out to fit; `{all}` shows all of them."),
        };
        out.push_str(&self.closing(&text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(entries: &[(usize, usize)]) -> Page {
        let section = |folded, form| Section {
            heading: "Changes".into(),
            folded,
            form,
            entries: entries
                .iter()
                .map(|(head, more)| Entry { head: "h".repeat(*head), more: format!("{}\n", "m".repeat(*more)) })
                .collect(),
            all: "lhprov plan".into(),
        };
        Page {
            command: "plan",
            stack: Some("shop".into()),
            title: "t".repeat(100),
            lead: vec!["l".repeat(5000); 9],
            sections: vec![section(false, Form::List), section(true, Form::Code("diff"))],
        }
    }

    #[test]
    fn all_of_it_where_there_is_room() {
        let page = Page { title: "Plan".into(), lead: vec!["lead".into()], ..page(&[(1, 2), (3, 0)]) };
        insta::assert_snapshot!(page.render(COMMENT_MAX), @r"
        <!-- lhprov:plan stack=shop -->
        ### Plan

        lead

        **Changes**

        - h
          mm
        - hhh
          

        <details><summary>Changes (2)</summary>

        ```diff
        h
        mm
        hhh

        ```

        </details>
        ");
    }

    #[test]
    fn details_go_first_and_entries_are_counted() {
        let folded = page(&[(10, 3000); 20]).render(LIMIT_MIN);
        assert!(folded.contains("left out to fit; `lhprov plan` shows all of them."), "{folded}");
        assert_eq!(folded.matches("hhhhhhhhhh\n").count(), 40, "{folded}");
        let cut = page(&[(1000, 10); 20]).render(LIMIT_MIN);
        assert!(cut.contains("more, left out to fit"), "{cut}");
    }

    proptest! {
        #[test]
        fn it_fits(
            entries in prop::collection::vec((0usize..5000, 0usize..5000), 0..60),
            limit in LIMIT_MIN..COMMENT_MAX,
        ) {
            let out = page(&entries).render(limit);
            prop_assert!(out.len() <= limit, "{} > {limit}", out.len());
            prop_assert_eq!(out.matches("<details>").count(), out.matches("</details>").count());
            prop_assert_eq!(out.matches("```").count() % 2, 0);
        }
    }
}
