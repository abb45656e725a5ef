//! Labels, not colours: who makes a text says what a word is, and this page says how that looks.
//!
//! Whether there is colour at all is decided once for each stream, here, by rules that people know from elsewhere.

/// What `--color` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Where a terminal reads it.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// What the environment says about colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColorWishes {
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set and neither empty nor `0` (bixense.com/clicolors).
    pub force: bool,
    /// `CLICOLOR` is `0`.
    pub off: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
}

/// Decides for one stream. The flag beats the environment, `NO_COLOR` beats `CLICOLOR_FORCE`, and that beats what is known of
/// the terminal.
pub fn decide(choice: ColorChoice, wishes: ColorWishes, is_terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if wishes.no_color => false,
        ColorChoice::Auto if wishes.force => true,
        ColorChoice::Auto => is_terminal && !wishes.dumb && !wishes.off,
    }
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Comes into being, or is well.
    Add,
    /// Changes, or waits.
    Change,
    /// Goes away, or went wrong.
    Remove,
    /// Was found, or is told by the way.
    Found,
    /// Stands above others.
    Heading,
    /// Is there for whoever looks for it.
    Faint,
    /// An error's first word.
    Error,
    /// A way out.
    Help,
}

/// Paints, or does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    colour: bool,
}

impl Palette {
    /// With colour or without.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// Without.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Whether it paints.
    pub fn is_coloured(self) -> bool {
        self.colour
    }

    /// The text as its label looks.
    pub fn paint(self, label: Label, text: &str) -> String {
        use anstyle::{AnsiColor, Style};
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let of = |colour: AnsiColor| colour.on_default();
        let style = match label {
            Label::Add => of(AnsiColor::Green),
            Label::Change => of(AnsiColor::Yellow),
            Label::Remove => of(AnsiColor::Red),
            Label::Found | Label::Help => of(AnsiColor::Cyan),
            Label::Heading => Style::new().bold(),
            Label::Faint => Style::new().dimmed(),
            Label::Error => of(AnsiColor::Red).bold(),
        };
        format!("{style}{text}{style:#}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_environment_and_the_environment_the_terminal() {
        let none = ColorWishes::default();
        let no = ColorWishes { no_color: true, ..none };
        let force = ColorWishes { force: true, ..none };
        let both = ColorWishes { no_color: true, force: true, ..none };
        let off = ColorWishes { off: true, ..none };
        let forced = ColorWishes { off: true, dumb: true, ..force };
        let dumb = ColorWishes { dumb: true, ..none };
        use ColorChoice::{Always, Auto, Never};
        for (choice, wishes, is_terminal, expected) in [
            (Auto, none, true, true),
            (Auto, none, false, false),
            (Auto, no, true, false),
            (Auto, force, false, true),
            (Auto, both, true, false),
            (Auto, dumb, true, false),
            (Auto, off, true, false),
            (Auto, forced, false, true),
            (Always, dumb, true, true),
            (Always, no, false, true),
            (Never, force, true, false),
        ] {
            assert_eq!(decide(choice, wishes, is_terminal), expected, "{choice:?} {wishes:?} {is_terminal}");
        }
    }

    #[test]
    fn paints_only_when_asked() {
        assert_eq!(Palette::plain().paint(Label::Error, "error"), "error");
        assert_eq!(Palette::new(true).paint(Label::Add, "+"), "\u{1b}[32m+\u{1b}[0m");
        assert_eq!(Palette::new(true).paint(Label::Add, ""), "");
    }
}
