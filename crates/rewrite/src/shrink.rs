//! Takes from JavaScript what only readers need: comments, spaces, line breaks, long names. It knows no more of the language than
//! our template uses, and relies on its manners: statements end in semicolons, own fields begin with `_` and are never named by
//! text, one declaration a statement, no template literals, no shorthand properties.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name, a word of the language or a number.
    Word,
    /// A quoted text or a regular expression.
    Text,
    /// One sign.
    Sign,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// A space or comment stood before it.
    apart: bool,
}

/// Names that others call us by, or that we call others by.
const KEPT: [&str; 2] = ["handler", "cf"];

/// The same program in fewer bytes.
pub(crate) fn shrink(code: &str) -> String {
    let tokens = tokens(code);
    let names = short_names(&tokens);
    let mut shrunk = String::with_capacity(code.len() / 2);
    for (at, token) in tokens.iter().enumerate() {
        let text = match names.get(token.text) {
            Some(short) if token.kind == Kind::Word && is_ours(&tokens, at) => short,
            _ => token.text,
        };
        // A block's last statement needs no semicolon.
        if text == "}" && shrunk.ends_with(';') {
            shrunk.pop();
        }
        let (last, first) = (shrunk.chars().last(), text.chars().next());
        if let (Some(last), Some(first)) = (last, first)
            && (is_wordy(last) && is_wordy(first) || token.apart && last == first && matches!(first, '+' | '-'))
        {
            shrunk.push(' ');
        }
        shrunk.push_str(text);
    }
    shrunk
}

fn is_wordy(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$')
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let (mut rest, mut apart) = (code, false);
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
            tokens.push(Token { kind, text: &rest[..length], apart });
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

/// Whether a word names something of ours, and not a field of somebody else's.
fn is_ours(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
    let after = tokens.get(at + 1).map_or("", |after| after.text);
    tokens[at].text.starts_with('_') || !(before == "." || after == ":" && matches!(before, "{" | ","))
}

/// The short name of each name of ours, the shortest for the most frequent.
fn short_names<'a>(tokens: &[Token<'a>]) -> BTreeMap<&'a str, String> {
    let declared = declared(tokens);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut foreign: BTreeSet<&str> = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
        if declared.contains(token.text) && is_ours(tokens, at) {
            *counts.entry(token.text).or_default() += 1;
        } else {
            foreign.insert(token.text);
        }
    }
    let mut by_count: Vec<(&str, usize)> = counts.into_iter().collect();
    by_count.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let fresh = candidates().filter(|name| !foreign.contains(name.as_str()));
    by_count.into_iter().map(|(name, _)| name).zip(fresh).collect()
}

/// `a` to `Z`, then two letters. No word of the language has two lower-case letters and an upper-case one.
fn candidates() -> impl Iterator<Item = String> {
    let letters = || ('a'..='z').chain('A'..='Z');
    letters().map(String::from).chain(letters().flat_map(move |one| ('A'..='Z').map(move |two| format!("{one}{two}"))))
}

/// The names that the code declares: functions and their parameters, constants, variables, fields that begin with `_`.
fn declared<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let word = |at: usize| tokens.get(at).filter(|token| token.kind == Kind::Word).map(|token| token.text);
        match token.text {
            "function" => {
                names.extend(word(at + 1));
                names.extend(listed(&tokens[at..]));
            }
            "const" | "let" => names.extend(word(at + 1)),
            "catch" => names.extend(word(at + 2)),
            // `=>` is two signs.
            ">" if at > 1 && !token.apart && tokens[at - 1].text == "=" => match tokens[at - 2].kind {
                Kind::Word => names.extend(word(at - 2)),
                _ => {
                    let open = tokens[..at].iter().rposition(|token| token.text == "(").unwrap_or(at);
                    names.extend(listed(&tokens[open..at]));
                }
            },
            field if field.starts_with('_') && token.kind == Kind::Word => {
                names.insert(field);
            }
            _ => {}
        }
    }
    names.retain(|name| !KEPT.contains(name));
    names
}

/// The words of the first list in parentheses.
fn listed<'a, 'b>(tokens: &'b [Token<'a>]) -> impl Iterator<Item = &'a str> + 'b {
    tokens
        .iter()
        .skip_while(|token| token.text != "(")
        .take_while(|token| token.text != ")")
        .filter(|token| token.kind == Kind::Word)
        .map(|token| token.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_readers_need_goes() {
        for (code, shrunk) in [
            ("// why\nconst width = 1;\n/* and */ width ;", "const a=1;a;"),
            ("const note = 'a // b' + \"\\\"/* c */\";", "const a='a // b'+\"\\\"/* c */\";"),
            ("function half(side) { return side / 2 / side; }", "function b(a){return a/2/a}"),
            ("const found = /[/'\"]\\/ x/g.test(text);", "const a=/[/'\"]\\/ x/g.test(text);"),
            ("const sum = 1 + +text - -1;", "const a=1+ +text- -1;"),
            ("const box = {_width: 1, w: 2}; box._width = box.w;", "const a={b:1,w:2};a.b=a.w;"),
            ("const at = {at: 1, to: at ? at : 2};", "const a={at:1,to:a?a:2};"),
            ("list.map((one, two) => one.two + two).map(one => one);", "list.map((a,b)=>a.two+b).map(a=>a);"),
            ("try { a(); } catch (b) { throw b; }", "try{a()}catch(b){throw b}"),
            ("async function handler(event) { return await event; }", "async function handler(a){return await a}"),
            ("for (const id in list) if (id) return /a/;", "for(const a in list)if(a)return/a/;"),
        ] {
            assert_eq!(shrink(code), shrunk, "{code}");
        }
    }

    #[test]
    fn a_short_name_is_nobody_else_s() {
        assert_eq!(shrink("const one = a + b;"), "const c=a+b;");
    }

    #[test]
    fn there_are_names_enough() {
        let names: BTreeSet<String> = candidates().collect();
        assert_eq!(names.len(), 52 + 52 * 26);
    }
}
