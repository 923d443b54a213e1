//! The two pages that come from the table of settings: the reference page and the annotated example file. A test compares
//! both with what is in the repository; `cargo run -p xtask -- reference` writes them.

use crate::define::{Definition, Kind, Reload};
use crate::table::{DEFINITIONS, GROUPS};
use crate::value::quoted;
use std::fmt::Write as _;

/// Widest line of the example file, in characters.
const LINE_CHARS_MAX: usize = 110;

fn of_group(group: &str) -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().filter(move |definition| definition.group() == group)
}

/// `docs/reference/settings.md`.
pub fn reference_page() -> String {
    let mut page = String::from(PAGE_HEAD);
    for (group, about) in GROUPS {
        let _ = writeln!(page, "\n## {group}\n\n{about}\n");
        page.push_str("| setting | default | takes | what it does |\n|---|---|---|---|\n");
        for definition in of_group(group) {
            let default = match definition.default {
                "" => "unset".into(),
                default => format!("`{default}`"),
            };
            let reload = if definition.reload == Reload::Restart { " *Needs a restart.*" } else { "" };
            let takes = definition.kind.describe();
            let _ = writeln!(page, "| `{}` | {default} | {takes} | {}{reload} |", definition.name, definition.help);
        }
    }
    page
}

const PAGE_HEAD: &str = "\
# Settings

*This page is made from the table in `crates/setup/src/table.rs` by `cargo run -p xtask -- reference`; change it there.*

A setting is written in the configuration file, in the environment, or on the command line; the later one wins:

| where | how |
|---|---|
| file (`--config FILE`, TOML) | `[cache]` and below it `memory_bytes_max = \"512MiB\"` |
| environment | `AFTERIMAGE_CACHE_MEMORY_BYTES_MAX=512MiB` |
| command line | `--set cache.memory_bytes_max=512MiB` |

- Lists are `[320, 640]` in the file and `320, 640` elsewhere. Presets are a table in the file and `thumb=w=200&h=200; hero=w=1600` elsewhere.
- Secrets have a second form that reads them from a file: `admin.token_file`, `AFTERIMAGE_ADMIN_TOKEN_FILE`. Signing keys are tables in
  the file (`name`, `scheme`, `secret` or `secret_file`), and lines of `NAME SCHEME SECRET` elsewhere; access keys are tables with `id` and
  `secret` or `secret_file`, and lines of `ID SECRET`. Behaviours are tables in the file, and
  `path=/a/* query=d ttl_max=1d path=/b/* serves=origin` elsewhere. Mounts are tables or texts in the file, and
  `products/ https://origin.example/, team/ hosts=a.example;*.b.example window=5s /srv/team` elsewhere. Outer caches are tables with
  `secret` or `secret_file`, and `name=cf kind=cloudfront distribution=E2EXAMPLE name=v kind=varnish url=http://127.0.0.1:6081/`
  elsewhere.
- Sizes need a unit (`B KiB MiB GiB TiB`, or `kB MB GB TB` for powers of ten), durations too (`ms s m h d`).
- A relative path in the file starts at the file's own folder.
- Unknown names, values out of range and settings that contradict each other are reported all at once, each with its remedy; nothing
  is served until they are gone. `afterimage check-config` does the same without serving.
- SIGHUP reads everything again. A configuration with a mistake changes nothing.
";

/// `afterimage.toml`: every setting at its default, annotated.
pub fn example_toml() -> String {
    let mut text = String::from(EXAMPLE_HEAD);
    for (group, about) in GROUPS {
        let _ = writeln!(text, "\n\n# {about}");
        let is_list = of_group(group).any(|definition| {
            definition.name == *group && matches!(definition.kind, Kind::Behaviours | Kind::OuterCaches)
        });
        // A list of tables has its name before each of them.
        let _ = if is_list { Ok(()) } else { writeln!(text, "[{group}]") };
        for definition in of_group(group) {
            if definition.name != *group {
                text.push('\n');
                comment(&mut text, &format!("{} ({})", definition.help, definition.kind.describe()));
            }
            match definition.kind {
                Kind::Presets => text.push_str("# thumb = \"w=200&h=200&fit=crop\"\n"),
                Kind::SigningKeys => text.push_str(EXAMPLE_KEY),
                Kind::Behaviours => text.push_str(EXAMPLE_BEHAVIOUR),
                Kind::OuterCaches => text.push_str(EXAMPLE_OUTER_CACHE),
                Kind::AccessKeys => text.push_str(EXAMPLE_ACCESS_KEY),
                Kind::Mounts => text.push_str(EXAMPLE_MOUNTS),
                Kind::NamedBuckets => text.push_str(EXAMPLE_BUCKETS),
                kind => text.push_str(&line(definition, kind)),
            }
        }
    }
    text
}

const EXAMPLE_HEAD: &str = "\
# Every setting of afterimage, at its default. Copy what you change; leave the rest out.
# Made by `cargo run -p xtask -- reference`. See docs/reference/settings.md for environment and command line.
";

const EXAMPLE_KEY: &str = "\
# [[signing.keys]]
# name = \"2026-11\"
# scheme = \"hmac-sha256\"            # or \"imgix-md5\" for imgix's client libraries
# secret_file = \"/run/secrets/afterimage-signing-2026-11\"
";

const EXAMPLE_MOUNTS: &str = "\
# mounts = [{ prefix = \"team/\", directory = \"/srv/team\", hosts = [\"img.example.com\"], window = \"5s\" }]
";

const EXAMPLE_BUCKETS: &str = "\
# buckets = [{ name = \"old-pictures\", endpoint = \"http://127.0.0.1:9000\", path_style = true }]
";

const EXAMPLE_BEHAVIOUR: &str = "\
# [[behaviours]]
# path = \"/api/*\"
# serves = \"origin\"
# ttl_default = \"1m\"
# query = [\"page\"]
# errors = [\"404:10s\"]
";

const EXAMPLE_OUTER_CACHE: &str = "\
# [[cdn]]
# name = \"cloudfront\"
# kind = \"cloudfront\"
# distribution = \"E2EXAMPLE\"
";

const EXAMPLE_ACCESS_KEY: &str = "\
# [[admin.access_keys]]
# id = \"AKIAEDGE1\"
# secret_file = \"/run/secrets/afterimage-access-AKIAEDGE1\"
";

fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split(' ') {
        if line.len() + 1 + word.len() > LINE_CHARS_MAX {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// One setting as TOML; commented out where it is unset.
fn line(definition: &Definition, kind: Kind) -> String {
    let name = definition.name.rsplit('.').next().unwrap_or(definition.name);
    let list = || definition.default.split(", ").filter(|entry| !entry.is_empty());
    match kind {
        Kind::Secret => format!("# {name}_file = \"/run/secrets/afterimage-{name}\"\n"),
        Kind::Path if definition.default.is_empty() => {
            format!("# {name} = \"/path/to/{}\"\n", definition.name.replace('.', "-"))
        }
        Kind::Text(example) => format!("# {name} = {}\n", quoted(example)),
        Kind::Url => format!("# {name} = \"https://origin.example/pictures/\"\n"),
        Kind::Duration { .. } if definition.default.is_empty() => format!("# {name} = \"1m\"\n"),
        Kind::Bool | Kind::Integer { .. } => format!("{name} = {}\n", definition.default),
        Kind::Integers { .. } => array(name, list().map(str::to_owned).collect()),
        Kind::Ratios | Kind::Texts => array(name, list().map(quoted).collect()),
        _ => format!("{name} = {}\n", quoted(definition.default)),
    }
}

fn array(name: &str, entries: Vec<String>) -> String {
    let one_line = format!("{name} = [{}]\n", entries.join(", "));
    if one_line.len() <= LINE_CHARS_MAX {
        return one_line;
    }
    let mut text = format!("{name} = [\n");
    let mut line = String::from("   ");
    for entry in entries {
        if line.len() + 2 + entry.len() > LINE_CHARS_MAX {
            text.push_str(&line);
            text.push('\n');
            line = String::from("   ");
        }
        let _ = write!(line, " {entry},");
    }
    let _ = write!(text, "{line}\n]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Sources};

    fn load(text: String) -> Settings {
        let sources = Sources { file: Some(("afterimage.toml".into(), text)), ..Sources::default() };
        Settings::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
    }

    #[test]
    fn the_example_reads_as_the_defaults_and_names_every_setting() {
        assert_eq!(load(example_toml()), Settings::default());
        for definition in DEFINITIONS {
            let key = definition.name.rsplit('.').next().unwrap_or(definition.name);
            assert!(example_toml().contains(key), "{}", definition.name);
            assert!(reference_page().contains(&format!("`{}`", definition.name)), "{}", definition.name);
        }
    }

    #[test]
    fn what_the_example_comments_out_reads_too() {
        let uncommented = |line: &str| match line.strip_prefix("# ") {
            // Help has words before any equals sign; a file of secrets is not there to be read.
            Some(file) if file.starts_with("secret_file = ") => "secret = \"0123456789abcdef\"\n".to_owned(),
            Some(setting) if setting.starts_with("[[") => format!("{setting}\n"),
            // A folder and a URL at once is a mistake, and so is https in a build without TLS, or a queue without a bucket.
            Some(setting)
                if ["url = ", "origin = ", "sqs_url = ", "profile = "].iter().any(|key| setting.starts_with(key)) =>
            {
                format!("# {setting}\n")
            }
            Some(setting)
                if setting.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ') && !key.ends_with("_file")) =>
            {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        };
        let text: String = example_toml().lines().map(uncommented).collect();
        let settings = load(text);
        assert_eq!(settings.presets["thumb"], "w=200&h=200&fit=crop");
        assert_eq!(settings.signing.keys.0.len(), 1);
        assert_eq!(settings.behaviours.0.len(), 1);
        assert_eq!(settings.mounts().len(), 1);
        assert_eq!(settings.cdn.0.len(), 1);
        assert_eq!(settings.admin.access_keys.0.len(), 1);
        assert!(settings.http.fallback_picture.is_some());
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
