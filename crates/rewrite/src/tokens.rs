//! JavaScript as tokens, as far as our template goes: no template literals, and a `/` divides after a word, a text or a closing bracket.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a word of the language or a number.
    Word,
    /// A quoted text or a regular expression.
    Text,
    /// One sign.
    Sign,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// A space or comment stood before it.
    pub(crate) apart: bool,
    /// How many brackets are open around it.
    pub(crate) depth: usize,
    /// Which of the outermost statements it belongs to.
    pub(crate) statement: usize,
}

/// Whether two such letters side by side are one word.
pub(crate) fn is_wordy(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$')
}

/// The tokens of a program.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let (mut rest, mut apart, mut depth, mut statement) = (code, false, 0_usize, 0);
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else {
            let (kind, length) = if is_wordy(first) {
                (Kind::Word, rest.find(|letter: char| !is_wordy(letter)).unwrap_or(rest.len()))
            } else if matches!(first, '\'' | '"') {
                (Kind::Text, quoted(rest, first))
            } else if first == '/' && tokens.last().is_none_or(begins_operand) {
                let body = expression(rest);
                (Kind::Text, body + rest[body..].find(|letter: char| !is_wordy(letter)).unwrap_or(0))
            } else {
                (Kind::Sign, first.len_utf8())
            };
            let text = &rest[..length];
            let (opens, closes) = (matches!(text, "(" | "[" | "{"), matches!(text, ")" | "]" | "}"));
            depth -= usize::from(closes);
            tokens.push(Token { kind, text, apart, depth, statement });
            depth += usize::from(opens);
            statement += usize::from(depth == 0 && matches!(text, ";" | "}"));
            rest = &rest[length..];
            apart = false;
            continue;
        };
        apart = true;
        rest = &rest[length..];
    }
    tokens
}

/// How long a quoted text is, its quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long a regular expression is, without its flags.
fn expression(text: &str) -> usize {
    let (mut escaped, mut in_class) = (false, false);
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a `/` after this begins a regular expression, and divides nothing.
fn begins_operand(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Word => token.text == "return",
        Kind::Text => false,
        Kind::Sign => !matches!(token.text, ")" | "]" | "}"),
    }
}

/// Whether a word names somebody else's field: it follows a dot, or it is a name in an object.
pub(crate) fn is_field(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
    let after = tokens.get(at + 1).map_or("", |after| after.text);
    before == "." || after == ":" && matches!(before, "{" | ",")
}
