//! Text to tokens, comments among them. The parser says where scalars are; between them nothing stands but punctuation,
//! anchors, aliases, comments and blanks.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `# …`
    Comment,
    /// `-` before an entry.
    Dash,
    /// `:` behind a key.
    Colon,
    /// `,` in brackets.
    Comma,
    /// `[` or `{`.
    Open,
    /// `]` or `}`.
    Close,
    /// `&name`
    Anchor,
    /// `*name`
    Alias,
    /// A scalar in one of its forms.
    Scalar(Form),
    /// `---` or `...`
    Marker,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Without quotes.
    Plain,
    /// In `'…'`.
    Single,
    /// In `"…"`.
    Double,
    /// `|` or `>`: the token is the header; its lines are in `Token::lines`.
    Block,
}

/// One token.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As written.
    pub text: &'a str,
    /// Line breaks between the token before and this one.
    pub lines_before: usize,
    /// Characters before it on its line.
    pub column: usize,
    /// Whether it is a key outside of brackets.
    pub is_key: bool,
    /// Lines of a block scalar without their indentation.
    pub lines: Vec<&'a str>,
}

/// The tokens of a text that the parser has read without a complaint. None where there is something among them that the layout
/// does not know.
pub(super) fn read(text: &str) -> Option<Vec<Token<'_>>> {
    if text.contains('\r') {
        return None;
    }
    let scalars = scalars(text)?;
    let mut reader = Reader { text, at: 0, tokens: Vec::new(), line: 0, end: 0, depth: 0 };
    for (start, end, form) in scalars {
        reader.punctuation(start)?;
        reader.scalar(start, end, form)?;
    }
    reader.punctuation(text.len())?;
    Some(reader.tokens)
}

/// Bytes and form of each scalar that has any text and is no block.
fn scalars(text: &str) -> Option<Vec<(usize, usize, Form)>> {
    let mut lines = vec![0];
    lines.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
    let offset = |line: usize, column: usize| {
        let start = *lines.get(line.checked_sub(1)?)?;
        let rest = text.get(start..)?;
        Some(rest.char_indices().nth(column).map_or(text.len(), |(at, _)| start + at))
    };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    let mut found = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.ok()?;
        let Event::Scalar(_, style, ..) = event else { continue };
        let (start, end) = (offset(span.start.line(), span.start.col())?, offset(span.end.line(), span.end.col())?);
        let form = match style {
            ScalarStyle::Plain => Form::Plain,
            ScalarStyle::SingleQuoted => Form::Single,
            ScalarStyle::DoubleQuoted => Form::Double,
            // Found by their headers, of which the parser does not say where they are.
            ScalarStyle::Literal | ScalarStyle::Folded => continue,
        };
        let end = start + text.get(start..end.max(start))?.trim_end().len();
        if end > start || form != Form::Plain {
            found.push((start, end, form));
        }
    }
    Some(found)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
    /// First byte of the line that is read.
    line: usize,
    /// One past the last token.
    end: usize,
    /// Brackets that are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads up to a scalar, or the end of the text.
    fn punctuation(&mut self, until: usize) -> Option<()> {
        while self.at < until {
            let rest = &self.text[self.at..until];
            let character = rest.chars().next()?;
            match character {
                ' ' | '\t' => self.at += 1,
                '\n' => {
                    self.at += 1;
                    self.line = self.at;
                }
                '#' => {
                    let length = rest.find('\n').unwrap_or(rest.len());
                    self.push(Kind::Comment, rest[..length].trim_end(), length);
                }
                '-' if rest.starts_with("---") && self.at == self.line => self.push(Kind::Marker, &rest[..3], 3),
                '.' if rest.starts_with("...") && self.at == self.line => self.push(Kind::Marker, &rest[..3], 3),
                '-' if self.depth == 0 => self.push(Kind::Dash, &rest[..1], 1),
                ':' => {
                    if self.depth == 0 {
                        // What was read last is what it is said of, perhaps with an anchor before it.
                        let key = self.tokens.iter_mut().rfind(|token| token.kind != Kind::Comment)?;
                        key.is_key = true;
                    }
                    self.push(Kind::Colon, &rest[..1], 1);
                }
                ',' => self.push(Kind::Comma, &rest[..1], 1),
                '[' | '{' => {
                    self.depth += 1;
                    self.push(Kind::Open, &rest[..1], 1);
                }
                ']' | '}' => {
                    self.depth = self.depth.checked_sub(1)?;
                    self.push(Kind::Close, &rest[..1], 1);
                }
                '&' | '*' => {
                    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}');
                    let length = rest.find(ends).unwrap_or(rest.len());
                    let kind = if character == '&' { Kind::Anchor } else { Kind::Alias };
                    self.push(kind, &rest[..length], length);
                }
                '|' | '>' if self.depth == 0 => self.block()?,
                _ => return None,
            }
        }
        Some(())
    }

    fn push(&mut self, kind: Kind, text: &'a str, length: usize) {
        let lines_before = self.text[self.end..self.at].matches('\n').count();
        let column = self.text[self.line..self.at].chars().count();
        self.tokens.push(Token { kind, text, lines_before, column, is_key: false, lines: Vec::new() });
        self.at += length;
        self.end = self.at;
    }

    fn scalar(&mut self, start: usize, end: usize, form: Form) -> Option<()> {
        if start < self.at {
            return None;
        }
        match form {
            Form::Plain => self.push(Kind::Scalar(form), &self.text[start..end], end - start),
            Form::Single | Form::Double => {
                let length = quoted_length(&self.text[start..])?;
                self.push(Kind::Scalar(form), &self.text[start..start + length], length);
            }
            Form::Block => return None,
        }
        // A scalar of several lines ends on another one than that on which it began.
        self.line = self.text[..self.at].rfind('\n').map_or(0, |newline| newline + 1);
        Some(())
    }

    /// The header of a block scalar, a comment behind it, and its lines.
    fn block(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let header = &rest[..length];
        let outer = self.column_of_owner()?;
        let place = self.tokens.len();
        self.push(Kind::Scalar(Form::Block), header, length);
        let line_end = self.text[self.at..].find('\n').map_or(self.text.len(), |newline| self.at + newline);
        self.punctuation(line_end)?;
        let given = header.chars().find_map(|c| c.to_digit(10)).map(|number| number as usize);
        let content = self.text.get(line_end + 1..).unwrap_or_default();
        let is_blank = |line: &str| line.chars().all(|c| c == ' ');
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let first = content.lines().find(|line| !is_blank(line));
        let base = match given {
            Some(number) => outer.unwrap_or(0) + number,
            None => first.map_or(0, indent),
        };
        let deeper = outer.is_none_or(|outer| base > outer);
        let mut lines: Vec<&str> = Vec::new();
        if deeper && first.is_some() {
            lines = content.lines().take_while(|line| is_blank(line) || indent(line) >= base).collect();
        }
        // Blank lines at the end are layout, unless they are asked to be kept.
        while !header.contains('+') && lines.last().is_some_and(|line| is_blank(line)) {
            lines.pop();
        }
        if !lines.is_empty() {
            let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
            self.at = (line_end + bytes).min(self.text.len());
            self.end = self.at;
            self.line = self.text[..self.at].rfind('\n').map_or(0, |newline| newline + 1);
        }
        let lines = lines.into_iter().map(|line| line.get(base..).unwrap_or_default()).collect();
        self.tokens.get_mut(place)?.lines = lines;
        Some(())
    }

    /// Column of the key or dash that the next value belongs to; the inner option is none at the top.
    fn column_of_owner(&self) -> Option<Option<usize>> {
        let mut before = self.tokens.iter().rev().filter(|token| !matches!(token.kind, Kind::Anchor | Kind::Comment));
        match before.next() {
            None => Some(None),
            Some(token) if token.kind == Kind::Dash => Some(Some(token.column)),
            Some(token) if token.kind == Kind::Colon => before.next().map(|key| Some(key.column)),
            Some(_) => Some(None),
        }
    }
}

/// Bytes of a text in quotes, the quotes among them.
fn quoted_length(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => {
                characters.next()?;
            }
            _ if character != quote => {}
            '\'' if text[at + 1..].starts_with('\'') => {
                characters.next()?;
            }
            _ => return Some(at + 1),
        }
    }
    None
}
