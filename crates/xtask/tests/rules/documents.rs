//! What documents promise about the repository: links lead somewhere, lists are complete.

use crate::workspace::{crates, files, read, root};
use afterimage_variant::{Grant, Rules, resolve};
use std::fs;

/// The targets of a document's links, fenced code left out.
fn links(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let prose = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    prose.flat_map(|line| line.split("](").skip(1).filter_map(|after| after.split(')').next())).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for file in files(&root(), "md") {
        let text = read(&file);
        for target in links(&text) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let folder = file.parent().expect("a file lies in a folder");
            assert!(folder.join(path).exists(), "{} links to {target}, which is not there", file.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no document has a link: they are not read");
}

#[test]
fn links_are_found_and_code_is_not() {
    assert_eq!(links("[a](b.md) and ![c](d.png)\n```\n[x](y)\n```\n[e](f#g)"), ["b.md", "d.png", "f#g"]);
}

/// The request targets that a text gives people to try: a path of a picture with a query.
fn targets(text: &str) -> Vec<String> {
    let ends = |letter: char| letter.is_whitespace() || "\"'`<>|),".contains(letter);
    let words = text.split(ends).map(|word| word.replace("&amp;", "&"));
    let target = |word: String| {
        let picture = [".jpg?", ".png?", ".webp?", ".avif?", ".gif?"].iter().any(|ending| word.contains(ending));
        let path = word.split("://").last().unwrap_or(&word);
        let path = path.split_once('/').map_or(path, |(_, path)| path);
        (picture && path.contains('?')).then(|| format!("/{path}"))
    };
    words.filter_map(target).collect()
}

#[test]
fn the_urls_in_documents_are_served_without_a_signature() {
    let rules = Rules::default();
    let mut checked = 0;
    let documents = files(&root(), "md").into_iter().chain(files(&root().join("examples"), "mjs"));
    // Tests of a loader hold what it must not produce, and golden pictures are made without a server.
    for file in documents
        .filter(|file| !["loader.test.mjs", "ledger.md"].iter().any(|end| file.to_string_lossy().ends_with(end)))
    {
        for target in targets(&read(&file)) {
            let resolved = resolve(&rules, &target, Some("image/avif,image/webp"), Grant::Public);
            assert!(resolved.is_ok(), "{} tells people to try {target}: {:?}", file.display(), resolved.err());
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} URLs were found");
}

#[test]
fn urls_are_found() {
    let text =
        "curl 'localhost:8080/museum.jpg?w=400&fm=webp' or `/p/a.jpg?d=1`, src=\"http://a:1/b.png?w=1&amp;h=2\" /c.jpg";
    assert_eq!(targets(text), ["/museum.jpg?w=400&fm=webp", "/p/a.jpg?d=1", "/b.png?w=1&h=2"]);
}

/// Whoever relies on a receipt has to find what each of its fields is worth.
#[test]
fn every_field_of_a_receipt_is_explained() {
    let text = read(&root().join("crates/identity/src/receipt.rs"));
    let fields =
        text.split("pub struct Receipt {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the struct");
    let names: Vec<&str> =
        fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next()).collect();
    assert!(names.len() > 10, "the fields are not read: {names:?}");
    let page = read(&root().join("docs/gdpr.md"));
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/gdpr.md does not say what `{name}` is worth");
    }
}

#[test]
fn every_decision_is_listed() {
    let folder = root().join("docs/decisions");
    let index = read(&folder.join("README.md"));
    for file in files(&folder, "md") {
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "docs/decisions/README.md does not list {name}"
        );
    }
}

#[test]
fn the_architecture_names_every_crate_and_no_other() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let root = root();
    let name = |path: &std::path::PathBuf| {
        let below = path.strip_prefix(&root).expect("a folder below the root").to_string_lossy();
        below.strip_prefix("crates/").unwrap_or(&below).to_owned()
    };
    let names: Vec<String> = crates().iter().map(name).collect();
    for name in &names {
        assert!(text.contains(&format!("`{name}`")), "ARCHITECTURE.md does not say what crates/{name} is");
    }
    // The first cells of the table of crates.
    for row in text.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let Some(cell) = row.split('|').nth(2) else { continue };
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(names.iter().any(|known| known == name), "ARCHITECTURE.md names crates/{name}, which is not there");
        }
    }
}

#[test]
fn every_crate_says_in_one_line_what_it_is() {
    for folder in crates() {
        let manifest = read(&folder.join("Cargo.toml"));
        assert!(manifest.contains("\ndescription = \""), "{} has no description", folder.display());
    }
}

/// The tests that a text names: `file.rs::name` in backticks, the file below `crates/`.
fn tests_named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|word| word.split_once(".rs::")).collect()
}

#[test]
fn every_test_that_the_page_of_faults_names_is_there() {
    let page = read(&root().join("docs/faults.md"));
    let named = tests_named(&page);
    assert!(named.len() > 50, "only {} tests are named", named.len());
    for (file, name) in named {
        let path = root().join("crates").join(format!("{file}.rs"));
        assert!(path.exists(), "docs/faults.md names a test in {file}.rs, which is not there");
        let head = format!("fn {name}(");
        let text = read(&path);
        let before = text.split_once(&head).map(|(before, _)| before);
        let before = before.unwrap_or_else(|| panic!("docs/faults.md names {file}.rs::{name}, which is not there"));
        // The attribute stands right above, but for others and words about it.
        let above = before.rsplit("\n\n").next().unwrap_or_default();
        let is_test = above.contains("test]") || above.contains("test(") || above.contains("proptest!");
        assert!(is_test, "{file}.rs::{name} is no test");
    }
}

#[test]
fn the_page_of_faults_names_every_test_that_was_written_for_it() {
    let page = read(&root().join("docs/faults.md"));
    for folder in ["afterimage/tests/faults", "afterimage/tests/two_edges"] {
        for file in files(&root().join("crates").join(folder), "rs") {
            let text = read(&file);
            for name in text.split("#[test]\nfn ").skip(1).filter_map(|after| after.split('(').next()) {
                assert!(page.contains(&format!("::{name}`")), "docs/faults.md does not name {name}");
            }
        }
    }
}

#[test]
fn tests_in_documents_are_found() {
    assert_eq!(tests_named("`a/b.rs::c`, `d.rs` and `e.rs::f`"), [("a/b", "c"), ("e", "f")]);
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for script in ["demo", "check", ".ci/run"] {
        let mode =
            fs::metadata(root().join(script)).unwrap_or_else(|error| panic!("{script}: {error}")).permissions().mode();
        assert!(mode & 0o111 == 0o111, "{script} cannot be run: chmod +x {script}");
    }
}
