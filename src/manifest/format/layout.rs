//! Tokens to text: which column a line begins at, and what is between two tokens of one line.

use super::tokens::{Form, Kind, Token};

/// How far what belongs to something is indented below it.
const STEP: usize = 2;

/// Lays tokens out.
pub(super) fn lay_out(tokens: &[Token<'_>]) -> String {
    let (before, after) = around_comments(tokens);
    let mut layout =
        Layout { tokens, before, after, levels: Vec::new(), open: Vec::new(), base: 0, out: String::new() };
    for at in 0..tokens.len() {
        layout.place(at);
    }
    let mut out = layout.out;
    out.push('\n');
    out
}

/// A map or a list outside of brackets: the column where its entries stood, and where they stand now.
#[derive(Clone, Copy, Debug)]
struct Level {
    before: usize,
    now: usize,
    is_list: bool,
}

/// For each token the nearest ones before and after it that are no comments. Looking for them at each comment would cost the
/// square of a block of comments.
fn around_comments(tokens: &[Token<'_>]) -> (Vec<Option<usize>>, Vec<Option<usize>>) {
    let is_value = |at: usize| tokens[at].kind != Kind::Comment;
    let (mut before, mut after) = (vec![None; tokens.len()], vec![None; tokens.len()]);
    for at in 1..tokens.len() {
        before[at] = if is_value(at - 1) { Some(at - 1) } else { before[at - 1] };
    }
    for at in (0..tokens.len().saturating_sub(1)).rev() {
        after[at] = if is_value(at + 1) { Some(at + 1) } else { after[at + 1] };
    }
    (before, after)
}

struct Layout<'t> {
    tokens: &'t [Token<'t>],
    /// The nearest token before each one that is no comment.
    before: Vec<Option<usize>>,
    /// The nearest token after each one that is no comment.
    after: Vec<Option<usize>>,
    levels: Vec<Level>,
    /// Brackets that are open, outermost first.
    open: Vec<&'t str>,
    /// Column that what is inside of the outermost bracket is indented from.
    base: usize,
    out: String,
}

impl<'t> Layout<'t> {
    fn place(&mut self, at: usize) {
        let token = &self.tokens[at];
        if token.kind == Kind::Comma && self.is_needless(at) {
            return;
        }
        if self.open.is_empty() && self.begins_entry(at) {
            enter(&mut self.levels, token.column, token.kind == Kind::Dash);
        }
        let blanks = if at == 0 || token.lines_before > 0 {
            if at > 0 {
                self.out.push_str(if token.lines_before > 1 { "\n\n" } else { "\n" });
            }
            self.indent(at)
        } else {
            self.gap(at)
        };
        self.out.push_str(&" ".repeat(blanks));
        self.write(token);
        match token.kind {
            Kind::Open => {
                if self.open.is_empty() {
                    let of_entry =
                        self.levels.last().map_or(0, |level| level.now + if level.is_list { STEP } else { 0 });
                    self.base = if token.lines_before > 0 { blanks } else { of_entry };
                }
                self.open.push(token.text);
            }
            Kind::Close => {
                self.open.pop();
            }
            Kind::Marker => self.levels.clear(),
            _ => {}
        }
        // The lines of a block scalar come behind a comment on the line of its header.
        let header = match self.tokens.get(at + 1) {
            Some(next) if next.kind == Kind::Comment && next.lines_before == 0 && !token.lines.is_empty() => None,
            _ if token.kind == Kind::Comment && token.lines_before == 0 => {
                at.checked_sub(1).map(|before| &self.tokens[before])
            }
            _ => Some(token),
        };
        if let Some(header) = header {
            self.block_lines(header);
        }
    }

    /// Whether a comma stands before the closing bracket of its line.
    fn is_needless(&self, at: usize) -> bool {
        self.tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Close && next.lines_before == 0)
    }

    /// Whether an entry of a map or list outside of brackets begins here: a dash, or a key or its anchor.
    fn begins_entry(&self, at: usize) -> bool {
        let token = &self.tokens[at];
        let anchored = at > 0 && self.tokens[at - 1].kind == Kind::Anchor && token.lines_before == 0;
        match token.kind {
            Kind::Dash => true,
            Kind::Anchor => self.tokens.get(at + 1).is_some_and(|next| next.is_key && next.lines_before == 0),
            _ => token.is_key && !anchored,
        }
    }

    /// Where a line begins whose first token this is.
    fn indent(&self, at: usize) -> usize {
        let token = &self.tokens[at];
        if let Some(depth) = self.open.len().checked_sub(1) {
            let is_close = token.kind == Kind::Close;
            return self.base + STEP * if is_close { depth } else { depth + 1 };
        }
        match token.kind {
            Kind::Comment => self.indent_of_comment(at),
            Kind::Marker => 0,
            _ if self.begins_entry(at) => self.levels.last().map_or(0, |level| level.now),
            _ => self.levels.last().map_or(0, |level| level.now + STEP),
        }
    }

    /// A comment stands like what follows; deeper than that it belongs to what is above it, and stays deeper.
    fn indent_of_comment(&self, at: usize) -> usize {
        let column = self.tokens[at].column;
        let next = self.after[at];
        let (follows_before, follows_now) = match next {
            Some(next) if self.begins_entry(next) => {
                let mut levels = self.levels.clone();
                let token = &self.tokens[next];
                enter(&mut levels, token.column, token.kind == Kind::Dash);
                (token.column, levels.last().map_or(0, |level| level.now))
            }
            Some(next) if self.tokens[next].kind != Kind::Marker => {
                return self.levels.last().map_or(0, |level| level.now + STEP);
            }
            _ => (0, 0),
        };
        if column <= follows_before {
            return follows_now;
        }
        match self.levels.iter().rposition(|level| level.before <= column) {
            Some(deepest) if self.levels[deepest].before == column => self.levels[deepest].now,
            Some(deepest) => {
                // Behind the lines of a block scalar a comment as deep as they are would be one of them.
                let deeper = if self.follows_block(at) { 0 } else { STEP };
                self.levels.get(deepest + 1).map_or(self.levels[deepest].now + deeper, |deeper| deeper.now)
            }
            None => follows_now,
        }
    }

    fn follows_block(&self, at: usize) -> bool {
        self.before[at].is_some_and(|before| !self.tokens[before].lines.is_empty())
    }

    /// Blanks between a token and the one before it on its line.
    fn gap(&self, at: usize) -> usize {
        let token = &self.tokens[at];
        let Some(mut before) = at.checked_sub(1).map(|before| &self.tokens[before]) else { return 0 };
        // A comma that is left out leaves no gap.
        if before.kind == Kind::Comma && self.is_needless(at - 1) {
            before = at.checked_sub(2).map_or(before, |earlier| &self.tokens[earlier]);
        }
        match (before.kind, token.kind) {
            // The colon is no part of an alias.
            (Kind::Alias, Kind::Colon) => 1,
            (_, Kind::Colon | Kind::Comma) => 0,
            (_, Kind::Comment) => 1,
            (Kind::Open, Kind::Close) => 0,
            (Kind::Open, _) => usize::from(before.text == "{"),
            (_, Kind::Close) => usize::from(token.text == "}"),
            _ => 1,
        }
    }

    fn write(&mut self, token: &Token<'_>) {
        match token.kind {
            Kind::Scalar(Form::Block) => self.out.push_str(token.text),
            Kind::Scalar(Form::Single) => {
                self.write_lines(&double_quoted(token.text).unwrap_or_else(|| token.text.to_owned()));
            }
            Kind::Scalar(Form::Plain | Form::Double) => self.write_lines(token.text),
            _ => self.out.push_str(token.text),
        }
    }

    /// A scalar, its further lines indented like a value on a line of its own.
    fn write_lines(&mut self, text: &str) {
        let indent = match self.open.len() {
            0 => self.levels.last().map_or(0, |level| level.now + STEP),
            depth => self.base + STEP * depth,
        };
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.out.push('\n');
                let line = line.trim_start_matches([' ', '\t']);
                if !line.is_empty() {
                    self.out.push_str(&" ".repeat(indent));
                }
                self.out.push_str(line);
            } else {
                self.out.push_str(line);
            }
        }
    }

    fn block_lines(&mut self, header: &Token<'_>) {
        let given = header.text.chars().find_map(|c| c.to_digit(10)).map(|number| number as usize);
        let indent = match (self.levels.last(), given) {
            (Some(level), given) => level.now + given.unwrap_or(STEP),
            (None, given) => given.unwrap_or(STEP),
        };
        for line in &header.lines {
            self.out.push('\n');
            if !line.is_empty() {
                self.out.push_str(&" ".repeat(indent));
            }
            self.out.push_str(line);
        }
    }
}

/// An entry begins at `column`: levels that end before it are left, and one that begins with it is entered.
fn enter(levels: &mut Vec<Level>, column: usize, is_list: bool) {
    while levels.last().is_some_and(|level| level.before > column) {
        levels.pop();
    }
    match levels.last().copied() {
        Some(level) if level.before == column && level.is_list == is_list => return,
        // A list may stand in the column of the map that it belongs to; the map goes on when the list is over.
        Some(level) if level.before == column && level.is_list => {
            levels.pop();
            return;
        }
        _ => {}
    }
    let now = levels.last().map_or(0, |level| level.now + STEP);
    levels.push(Level { before: column, now, is_list });
}

/// A text in single quotes as one in double quotes, where nothing in it would have to be escaped.
fn double_quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let safe = !inner.contains(['"', '\\']) && !inner.contains(char::is_control);
    safe.then(|| format!("\"{}\"", inner.replace("''", "'")))
}
