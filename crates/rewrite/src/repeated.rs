//! Texts that stand in the code again and again get a name: `list.includes(one)` is `list[said3](one)` then, and `'webp'` is `said5`.
//! What it gives is a program like the one it took; its names are shortened after it.

use std::collections::BTreeMap;

use crate::tokens::{Kind, Token, tokens};

/// What a name has to save before it is given: each takes a short name away from another.
const SAVING_MIN: usize = 10;

/// The same program, its repeated texts declared at its beginning.
pub(crate) fn named(code: &str) -> String {
    let tokens = tokens(code);
    let mut savings: BTreeMap<&str, usize> = BTreeMap::new();
    for said in (0..tokens.len()).filter_map(|at| Said::at(&tokens, at)) {
        *savings.entry(said.text()).or_default() += said.saving();
    }
    // A declaration is the quoted text, a letter, a sign and a comma.
    savings.retain(|text, saving| *saving >= text.len() + 5 + SAVING_MIN);
    let names: BTreeMap<&str, String> =
        savings.keys().enumerate().map(|(at, text)| (*text, format!("said{at}"))).collect();
    // Imports go first.
    let begin = if tokens.first().is_some_and(|token| token.text == "import") {
        1 + tokens.iter().position(|token| token.text == ";").unwrap_or(0)
    } else {
        0
    };
    let mut program = String::with_capacity(code.len());
    let mut rest = tokens.iter().enumerate();
    while let Some((at, token)) = rest.next() {
        if at == begin {
            names.iter().for_each(|(text, name)| program.push_str(&format!("const {name} = '{text}';\n")));
        }
        if token.apart {
            program.push(' ');
        }
        match Said::at(&tokens, at).map(|said| (names.get(said.text()), said)) {
            Some((Some(name), Said::Field(_))) => {
                rest.next();
                program.push_str(&format!("[{name}]"));
            }
            Some((Some(name), Said::Quoted(_))) => program.push_str(&format!(" {name} ")),
            _ => program.push_str(token.text),
        }
    }
    program
}

/// Where a name could stand.
enum Said<'a> {
    /// A dot and somebody else's field.
    Field(&'a str),
    /// A text in quotes that is not the name of a field.
    Quoted(&'a str),
}

impl<'a> Said<'a> {
    fn at(tokens: &[Token<'a>], at: usize) -> Option<Self> {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let (token, before, after) = (tokens[at], at.checked_sub(1).map_or("", text), text(at + 1));
        let is_ours = after.starts_with(|letter: char| letter == '_' || letter.is_ascii_digit());
        if token.text == "." {
            return (!is_ours).then_some(Self::Field(after));
        }
        let quoted = token.text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))?;
        let is_key = after == ":" && matches!(before, "{" | ",");
        (token.kind == Kind::Text && !is_key && before != "from").then_some(Self::Quoted(quoted))
    }

    fn text(&self) -> &'a str {
        match self {
            Self::Field(text) | Self::Quoted(text) => text,
        }
    }

    /// How many bytes a name of one letter saves: `.text` becomes `[a]`, and `'text'` becomes `a`.
    fn saving(&self) -> usize {
        match self {
            Self::Field(text) => text.len().saturating_sub(2),
            Self::Quoted(text) => text.len() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_often_gets_a_name() {
        let often =
            "const all = 'toString toString'; f(a.toString(), b.toString(), 'toString', {'toString': 1, toString: 2});";
        let named_so = "const said0 = 'toString';\nconst all = 'toString toString'; f(a[said0](), b[said0](), said0 , {'toString': 1, toString: 2});";
        // Two fields and a text save 21 bytes, a name costs 13.
        assert_eq!(named(often).replace("  ", " "), often);
        let more = often.replace("f(", "g(c.toString); f(");
        assert_eq!(named(&more).replace("  ", " "), named_so.replace("f(", "g(c[said0]); f("));
    }

    #[test]
    fn imports_go_first_and_numbers_and_our_fields_are_left() {
        let code = format!("import cf from 'cloudfront';{}", " x(0.5000, y._length, 'a long text');".repeat(9));
        let given = named(&code);
        assert!(
            given.starts_with(
                "import cf from 'cloudfront';const said0 = 'a long text';\n x(0.5000, y._length,  said0 );"
            ),
            "{given}"
        );
        assert_eq!(given.matches("0.5000, y._length").count(), 9);
    }
}
