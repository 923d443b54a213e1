//! The template's two notations: parts between `//#if NAME`, `//#else` and `//#end` (within a line `/*#if NAME*/` and `/*#end*/`),
//! and `$name` for a value. The template is JavaScript as it stands, so that editors and linters can read it.

use std::collections::BTreeMap;

use crate::policy::Part;

/// The template with the parts that are needed, and the values put in.
///
/// # Panics
/// On a template that opens what it does not close or asks for a value that there is not: it is ours, and a test fills it.
pub(crate) fn fill(template: &str, parts: &[Part], values: &BTreeMap<&'static str, String>) -> String {
    let mut filled = String::with_capacity(template.len());
    // Whether each of the parts that we are in is taken.
    let mut taken = vec![true];
    for line in template.lines() {
        if let Some(directive) = line.trim_start().strip_prefix("//#") {
            turn(&mut taken, directive, parts);
            continue;
        }
        if taken.iter().all(|taken| *taken) {
            let line = within_line(line, parts);
            put_values(&line, values, &mut filled);
            filled.push('\n');
        }
    }
    assert_eq!(taken.len(), 1, "a part of the template is not closed");
    filled
}

fn turn(taken: &mut Vec<bool>, directive: &str, parts: &[Part]) {
    match directive.split_once(' ') {
        Some(("if", part)) => taken.push(parts.contains(&part)),
        None if directive == "else" => {
            let last = taken.last_mut().expect("`else` stands in a part");
            *last = !*last;
        }
        None if directive == "end" => {
            taken.pop();
        }
        _ => panic!("the template has no directive `{directive}`"),
    }
}

fn within_line(line: &str, parts: &[Part]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("/*#if ") {
        let (part, after) = after.split_once("*/").expect("a directive ends");
        let (inner, after) = after.split_once("/*#end*/").expect("a part within a line ends on it");
        text.push_str(before);
        if parts.contains(&part) {
            text.push_str(inner);
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

fn put_values(line: &str, values: &BTreeMap<&'static str, String>, into: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        let name: &str = &rest[at + 1..];
        let name = &name[..name.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(name.len())];
        into.push_str(&rest[..at]);
        if name.is_empty() {
            into.push('$');
        } else {
            into.push_str(values.get(name).unwrap_or_else(|| panic!("the template wants `{name}`")));
        }
        rest = &rest[at + 1 + name.len()..];
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_or_left() {
        let template =
            "a\n//#if x\nb\n  //#if y\n  c\n  //#else\n  d\n  //#end\n//#end\ne/*#if y*/f/*#end*/g $n '$&' /$/";
        let values = BTreeMap::from([("n", "5".to_owned())]);
        for (parts, filled) in [
            (&[][..], "a\neg 5 '$&' /$/\n"),
            (&["x"], "a\nb\n  d\neg 5 '$&' /$/\n"),
            (&["x", "y"], "a\nb\n  c\nefg 5 '$&' /$/\n"),
            (&["y"], "a\nefg 5 '$&' /$/\n"),
        ] {
            assert_eq!(fill(template, parts, &values), filled, "{parts:?}");
        }
    }
}
