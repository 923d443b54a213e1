//! Takes from JavaScript what only readers need: comments, spaces, line breaks, long names. It knows no more of the language than
//! our template uses, and relies on its manners: statements end in semicolons, own fields begin with `_` and are never named by
//! text, one declaration a statement, no template literals, no shorthand properties.

use std::collections::{BTreeMap, BTreeSet};

use crate::repeated;
use crate::tokens::{Kind, Token, is_field, is_wordy, tokens};

/// Names that others call us by, or that we call others by.
const KEPT: [&str; 2] = ["handler", "cf"];

/// Words that can be written shorter. A constant is a variable that nobody changes.
const WORDS: [(&str, &str); 4] = [("const", "let"), ("true", "!0"), ("false", "!1"), ("undefined", "void 0")];

/// The same program in fewer bytes.
pub(crate) fn shrink(code: &str) -> String {
    let code = repeated::named(code);
    let tokens = tokens(&code);
    let names = Names::new(&tokens);
    let mut shrunk = String::with_capacity(code.len() / 2);
    let mut statements = Statements::default();
    for (at, token) in tokens.iter().enumerate() {
        let text = names.of(&tokens, at);
        // A declaration after another goes on with it.
        if statements.goes_on(text) {
            shrunk.pop();
            shrunk.push(',');
            continue;
        }
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
        match round_number(text).filter(|_| !is_field(&tokens, at)) {
            Some(number) => shrunk.push_str(&number),
            None => shrunk.push_str(text),
        }
    }
    shrunk
}

/// `5e4` for 50000, where that is shorter.
fn round_number(text: &str) -> Option<String> {
    let digits = text.trim_end_matches('0');
    let zeros = text.len() - digits.len();
    (zeros > 2 && !digits.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit()))
        .then(|| format!("{digits}e{zeros}"))
}

/// By which word the statement before began and the present one begins, for each block or list that is open.
#[derive(Default)]
struct Statements<'a> {
    outer: Vec<(&'a str, &'a str)>,
    before: &'a str,
    present: &'a str,
}

impl<'a> Statements<'a> {
    /// Takes one token in; whether it begins a declaration that can go on with the one before it.
    fn goes_on(&mut self, text: &'a str) -> bool {
        match text {
            "(" | "[" | "{" => {
                if self.present.is_empty() {
                    self.present = text;
                }
                self.outer.push((self.before, self.present));
                (self.before, self.present) = ("", "");
            }
            ")" | "]" | "}" => {
                (self.before, self.present) = self.outer.pop().unwrap_or_default();
                // What ends with a block may end without a semicolon: an `if` is not a declaration, and nothing goes on with it.
                if text == "}" && self.present != "let" {
                    (self.before, self.present) = (self.present, "");
                }
            }
            ";" => (self.before, self.present) = (self.present, ""),
            _ if self.present.is_empty() => {
                self.present = text;
                return text == "let" && self.before == text;
            }
            _ => {}
        }
        false
    }
}

/// The short names. Fields have names of their own; a name that is declared inside an outermost statement is known there alone, so
/// it can be as short as one that others use elsewhere.
struct Names<'a> {
    fields: BTreeMap<&'a str, String>,
    outer: BTreeMap<&'a str, String>,
    inner: BTreeMap<usize, BTreeMap<&'a str, String>>,
}

impl<'a> Names<'a> {
    fn new(tokens: &[Token<'a>]) -> Self {
        let Declared { outer, inner } = Declared::new(tokens);
        let (mut fields, mut outers) = (Counts::new(), Counts::new());
        let mut inners: BTreeMap<usize, Counts<'a>> = BTreeMap::new();
        let mut foreign: BTreeSet<String> = BTreeSet::new();
        let mut used: BTreeMap<usize, BTreeSet<&'a str>> = BTreeMap::new();
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
            let (name, statement) = (token.text, token.statement);
            if name.starts_with('_') {
                *fields.entry(name).or_default() += 1;
                continue;
            }
            if is_field(tokens, at) {
                continue;
            }
            if inner.get(&statement).is_some_and(|inner| inner.contains(name)) {
                assert!(!outer.contains(name), "`{name}` is declared inside and outside");
                *inners.entry(statement).or_default().entry(name).or_default() += 1;
            } else if outer.contains(name) {
                *outers.entry(name).or_default() += 1;
                used.entry(statement).or_default().insert(name);
            } else {
                foreign.insert(name.to_owned());
            }
        }
        let outer = shortened(outers, &foreign);
        let inner = inners.into_iter().map(|(statement, counts)| {
            let seen = used.get(&statement).into_iter().flatten().map(|name| outer[name].clone());
            (statement, shortened(counts, &foreign.iter().cloned().chain(seen).collect()))
        });
        let inner = inner.collect();
        Self { fields: shortened(fields, &BTreeSet::new()), outer, inner }
    }

    /// How a token is written.
    fn of<'b>(&'b self, tokens: &[Token<'b>], at: usize) -> &'b str {
        let Token { kind, text, statement, .. } = tokens[at];
        let found = match kind {
            Kind::Word if text.starts_with('_') => self.fields.get(text),
            Kind::Word if !is_field(tokens, at) => {
                self.inner.get(&statement).and_then(|inner| inner.get(text)).or_else(|| self.outer.get(text))
            }
            _ => return text,
        };
        let word = || WORDS.iter().find(|(long, _)| *long == text).map_or(text, |(_, short)| short);
        found.map_or_else(word, String::as_str)
    }
}

/// How often each name stands in the code.
type Counts<'a> = BTreeMap<&'a str, usize>;

/// A short name for each, the shortest for the most frequent, none of those that are taken.
fn shortened<'a>(counts: Counts<'a>, taken: &BTreeSet<String>) -> BTreeMap<&'a str, String> {
    let mut by_count: Vec<(&str, usize)> = counts.into_iter().collect();
    by_count.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    by_count.into_iter().map(|(name, _)| name).zip(candidates().filter(|name| !taken.contains(name))).collect()
}

/// `a` to `Z`, then two letters. No word of the language has a capital as its second and last letter.
fn candidates() -> impl Iterator<Item = String> {
    let letters = || ('a'..='z').chain('A'..='Z');
    letters().map(String::from).chain(letters().flat_map(move |one| ('A'..='Z').map(move |two| format!("{one}{two}"))))
}

/// The names that the code declares: functions and their parameters, constants, variables.
#[derive(Default)]
struct Declared<'a> {
    outer: BTreeSet<&'a str>,
    /// By outermost statement.
    inner: BTreeMap<usize, BTreeSet<&'a str>>,
}

impl<'a> Declared<'a> {
    fn new(tokens: &[Token<'a>]) -> Self {
        let mut declared = Self::default();
        for (at, token) in tokens.iter().enumerate() {
            match token.text {
                "function" => {
                    declared.add(tokens.get(at + 1), token.depth > 0);
                    declared.add(listed(&tokens[at..]), true);
                }
                "const" | "let" => declared.add(tokens.get(at + 1), token.depth > 0),
                "catch" => declared.add(tokens.get(at + 2), true),
                // `=>` is two signs.
                ">" if at > 1 && !token.apart && tokens[at - 1].text == "=" => match tokens[at - 2].kind {
                    Kind::Word => declared.add(&tokens[at - 2..at - 1], true),
                    _ => {
                        let open = tokens[..at].iter().rposition(|token| token.text == "(").unwrap_or(at);
                        declared.add(listed(&tokens[open..at]), true);
                    }
                },
                _ => {}
            }
        }
        declared
    }

    fn add<'b>(&mut self, tokens: impl IntoIterator<Item = &'b Token<'a>>, inside: bool)
    where
        'a: 'b,
    {
        for token in tokens.into_iter().filter(|token| token.kind == Kind::Word && !KEPT.contains(&token.text)) {
            let names = if inside { self.inner.entry(token.statement).or_default() } else { &mut self.outer };
            names.insert(token.text);
        }
    }
}

/// The first list in parentheses.
fn listed<'a, 'b>(tokens: &'b [Token<'a>]) -> impl Iterator<Item = &'b Token<'a>> {
    tokens.iter().skip_while(|token| token.text != "(").take_while(|token| token.text != ")")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_readers_need_goes() {
        for (code, shrunk) in [
            ("// why\nconst width = 1;\n/* and */ width ;", "let a=1;a;"),
            ("const note = 'a // b' + \"\\\"/* c */\";", "let a='a // b'+\"\\\"/* c */\";"),
            ("function half(side) { return side / 2 / side; }", "function a(b){return b/2/b}"),
            ("const found = /[/'\"]\\/ x/g.test(text);", "let a=/[/'\"]\\/ x/g.test(text);"),
            ("const sum = 1 + +text - -1;", "let a=1+ +text- -1;"),
            ("const box = {_width: 1, w: 2}; box._width = box.w;", "let a={a:1,w:2};a.a=a.w;"),
            ("const at = {at: 1, to: at ? at : 2};", "let a={at:1,to:a?a:2};"),
            ("const both = list.map((one, two) => one.two + two);", "let a=list.map((b,c)=>b.two+c);"),
            ("try { a(); } catch (b) { throw b; }", "try{a()}catch(b){throw b}"),
            ("async function handler(event) { return await event; }", "async function handler(a){return await a}"),
            ("for (const id in list) if (id) return /a/;", "for(let a in list)if(a)return/a/;"),
            (
                "const one = x => { let two = x; let four = true; return four; }; const three = one;",
                "let a=c=>{let d=c,b=!0;return b},b=a;",
            ),
            ("const one = 1; if (one) { one(); } const two = one;", "let a=1;if(a){a()}let b=a;"),
            ("const sizes = [1000, 50000000, 0, 100, 0.5000, 4000 / 3];", "let a=[1e3,5e7,0,100,0.5000,4e3/3];"),
            ("for (let at = 0; at < 9; at++) f(at); const to = undefined;", "for(let a=0;a<9;a++)f(a);let a=void 0;"),
        ] {
            assert_eq!(shrink(code), shrunk, "{code}");
        }
    }

    #[test]
    fn a_short_name_is_nobody_else_s() {
        assert_eq!(shrink("const one = a + b;"), "let c=a+b;");
        assert_eq!(shrink("const two = 1; const one = three => two + a + three;"), "let b=1,c=d=>b+a+d;");
    }

    #[test]
    #[should_panic(expected = "inside and outside")]
    fn a_name_means_one_thing() {
        shrink("const one = 1; const two = one => one;");
    }

    #[test]
    fn there_are_names_enough() {
        let names: BTreeSet<String> = candidates().collect();
        assert_eq!(names.len(), 52 + 52 * 26);
    }
}
