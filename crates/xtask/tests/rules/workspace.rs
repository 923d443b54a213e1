//! Where the workspace's files are, and which parts of them are tests.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below `folder` that ends with `ending`, without what builds and package managers leave behind.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !name.starts_with('.') && !name.starts_with("target") && name != "node_modules" {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|known| known == ending) {
            found.push(path);
        }
    }
    found
}

pub fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The folders of all crates.
pub fn crates() -> Vec<PathBuf> {
    let entries = |folder| fs::read_dir(root().join(folder)).expect("a folder of crates").flatten();
    entries("crates")
        .chain(entries("lambda"))
        .map(|entry| entry.path())
        .filter(|path| path.join("Cargo.toml").exists())
        .collect()
}

/// What a crate ships: each source file with its text, comments and test modules left out.
pub fn shipped(name: &str) -> Vec<(PathBuf, String)> {
    let folder = root().join("crates").join(name).join("src");
    assert!(folder.is_dir(), "{name} is no crate");
    let sources: Vec<(PathBuf, String)> =
        files(&folder, "rs").into_iter().map(|file| (file.clone(), read(&file))).collect();
    let for_tests: Vec<String> = sources.iter().flat_map(|(_, text)| test_modules(text)).collect();
    let ships = |file: &Path| {
        let inside = file.strip_prefix(&folder).unwrap_or(file).with_extension("");
        !inside.iter().any(|part| for_tests.iter().any(|module| part.to_string_lossy() == *module))
    };
    sources.into_iter().filter(|(file, _)| ships(file)).map(|(file, text)| (file, code(&text))).collect()
}

/// The modules with files of their own that are declared for tests alone.
fn test_modules(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0].starts_with("#[cfg(") && pair[0].contains("test"));
    declared.filter_map(|pair| pair[1].split("mod ").nth(1)?.strip_suffix(';').map(str::to_owned)).collect()
}

/// The text up to its inline tests, without lines that are comments.
fn code(text: &str) -> String {
    let shipped = text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at]);
    shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn tests_and_comments_are_told_from_code() {
    let text = "use a;\n// Instant::now\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use b;\n}\n";
    assert_eq!(code(text), "use a;\nfn f() {}");
    assert_eq!(
        test_modules("#[cfg(test)]\nmod tests;\n#[cfg(all(test, unix))]\npub(crate) mod races;\nmod c;"),
        ["tests", "races"]
    );
}
