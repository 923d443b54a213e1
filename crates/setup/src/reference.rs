//! The reference page and the annotated example, both from the one table.

use std::fmt::Write as _;

use crate::define::{Definition, Kind};
use crate::table::{DEFINITIONS, GROUPS};
use crate::value::quoted;
use crate::Reload;

/// `docs/reference/settings.md`.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Settings\n\nMade from the definitions in `crates/setup/src/table.rs`; `cargo run -p xtask -- reference` writes it.\n\n\
         A later place wins: this file's default, the configuration file (TOML), the environment, the command line\n\
         (`--set NAME=VALUE`). Secrets can also be read from a file: `NAME_file`, or the variable with `_FILE`.\n\
         A reload (SIGHUP) takes new values of settings marked *live*; the others need a restart.\n",
    );
    for (group, about) in GROUPS {
        let _ = write!(page, "\n## {group}\n\n{}\n\n", about.trim());
        page.push_str("| name | default | takes | what it does |\n|---|---|---|---|\n");
        for definition in members(group) {
            let live = if definition.reload == Reload::Live { " *live*" } else { "" };
            let default = if definition.default.is_empty() { "–".to_owned() } else { format!("`{}`", definition.default) };
            let _ = writeln!(
                page,
                "| `{}`<br>`{}` | {default} | {} | {}{live} |",
                definition.name,
                definition.environment(),
                definition.kind.describe(),
                definition.help.trim()
            );
        }
    }
    page
}

/// `afterimage.toml`: every setting at its default, as a comment where it has none.
pub fn example_toml() -> String {
    let mut text = String::from(
        "# Every setting of afterimage at its default. Remove what you do not change.\n\
         # Names, ranges and reload rules: docs/reference/settings.md\n",
    );
    for (group, about) in GROUPS {
        if members(group).all(|definition| definition.name == *group) {
            let _ = write!(text, "\n# {}\n[{group}]\n# thumb = \"w=200&h=200&fit=crop\"\n", about.trim());
            continue;
        }
        let _ = write!(text, "\n# {}\n[{group}]\n", about.trim());
        for definition in members(group) {
            let key = definition.name.rsplit('.').next().unwrap_or(definition.name);
            let _ = writeln!(text, "# {}", definition.help.trim());
            match default(definition) {
                Some(value) => {
                    let _ = writeln!(text, "{key} = {value}");
                }
                None => {
                    let _ = writeln!(text, "# {key} =   ({})", definition.kind.describe());
                }
            }
        }
    }
    text
}

fn members(group: &str) -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().filter(move |definition| definition.group() == group)
}

/// The default as TOML writes it; `None` where there is none.
fn default(definition: &Definition) -> Option<String> {
    let text = definition.default;
    let entries = || text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    Some(match definition.kind {
        Kind::Integers { .. } => format!("[{}]", entries().collect::<Vec<_>>().join(", ")),
        Kind::Ratios | Kind::Texts => format!("[{}]", entries().map(quoted).collect::<Vec<_>>().join(", ")),
        _ if text.is_empty() => return None,
        Kind::Integer { .. } | Kind::Bool => text.to_owned(),
        _ => quoted(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Sources};

    #[test]
    fn the_example_reads_back_as_the_defaults() {
        let load = |file: Option<String>| {
            let sources = Sources {
                file: file.map(|text| ("afterimage.toml".into(), text)),
                environment: Default::default(),
                overrides: Vec::new(),
                read_secret: &|_| Err(std::io::ErrorKind::NotFound.into()),
            };
            Settings::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
        };
        assert_eq!(load(Some(example_toml())), load(None));
    }

    #[test]
    fn the_page_names_every_setting() {
        let page = reference_page();
        for definition in DEFINITIONS {
            assert!(page.contains(&format!("`{}`", definition.name)), "{}", definition.name);
        }
    }

    #[test]
    fn the_pages_in_the_repository_are_current() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, text) in [("docs/reference/settings.md", reference_page()), ("afterimage.toml", example_toml())] {
            let kept = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            assert!(kept == text, "{path} is not current: run `cargo run -p xtask -- reference`");
        }
    }
}
