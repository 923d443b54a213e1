//! Golden pictures: `golden/ledger.md` says what each shows, how far it may move and when somebody looked at it. To change one on
//! purpose, run with `AFTERIMAGE_BLESS=1`, look at the files that changed, and write the day into the ledger.

use std::collections::BTreeSet;
use std::path::PathBuf;

use afterimage_identity::digest_hex;

use crate::support::{crate_dir, pixels, rendered, sample};

/// One entry: a heading, a request, what may differ, and what is on file.
///
/// ```text
/// ## crop/top  120x80 png
/// museum.jpg?w=120&h=80&fit=crop&crop=top&fm=png
/// tolerance 2 per channel | digest 0123456789abcdef | looked at: 2026-11-23
/// ```
struct Entry {
    name: String,
    size: (u32, u32),
    extension: String,
    request: String,
    tolerance: u8,
    digest: String,
}

fn golden_dir() -> PathBuf {
    crate_dir().join("golden")
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut head = lines.next()?.split_whitespace();
        let name = head.next()?.to_owned();
        let (width, height) = head.next()?.split_once('x')?;
        let extension = head.next()?.to_owned();
        let request = lines.next()?.to_owned();
        let mut facts = lines.next()?.split(" | ");
        let tolerance = facts.next()?.strip_prefix("tolerance ")?.strip_suffix(" per channel")?.parse().ok()?;
        let digest = facts.next()?.strip_prefix("digest ")?.to_owned();
        let day = facts.next()?.strip_prefix("looked at: ")?;
        let is_day = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let size = (width.parse().ok()?, height.parse().ok()?);
        is_day.then_some(Self { name, size, extension, request, tolerance, digest })
    }

    fn file(&self) -> PathBuf {
        golden_dir().join(format!("{}.{}", self.name.replace('/', "-"), self.extension))
    }

    fn check(&self, bless: bool) -> Result<(), String> {
        let (original, query) = self.request.split_once('?').ok_or("no query")?;
        let now = rendered(&sample(original), query).map_err(|error| error.to_string())?;
        if (now.width, now.height) != self.size {
            return Err(format!("{}x{}, the ledger says {:?}", now.width, now.height, self.size));
        }
        if bless {
            std::fs::write(self.file(), &now.bytes).map_err(|error| error.to_string())?;
            println!("## {}: digest {}", self.name, &digest_hex(&now.bytes)[..16]);
            return Ok(());
        }
        let golden = std::fs::read(self.file()).map_err(|error| error.to_string())?;
        if digest_hex(&golden)[..16] != self.digest {
            return Err("the file is not the one that was looked at".to_owned());
        }
        let (now, golden) = (pixels(&now.bytes), pixels(&golden));
        if (now.0, now.1) != (golden.0, golden.1) {
            return Err("another size than on file".to_owned());
        }
        let most = now.2.iter().zip(&golden.2).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        if most > self.tolerance { Err(format!("differs by {most}, {} allowed", self.tolerance)) } else { Ok(()) }
    }
}

#[test]
fn pictures_look_as_they_did() {
    let ledger = std::fs::read_to_string(golden_dir().join("ledger.md")).expect("the ledger");
    let bless = std::env::var_os("AFTERIMAGE_BLESS").is_some();
    let entries: Vec<Entry> = ledger
        .split("\n## ")
        .skip(1)
        .map(|text| Entry::parse(text).unwrap_or_else(|| panic!("not an entry: {text}")))
        .collect();
    assert!(entries.len() >= 30, "only {} entries were read", entries.len());
    let failures: Vec<String> = entries
        .iter()
        .filter_map(|entry| entry.check(bless).err().map(|why| format!("{} ({}): {why}", entry.name, entry.request)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let listed: BTreeSet<PathBuf> = entries.iter().map(Entry::file).collect();
    for file in std::fs::read_dir(golden_dir()).expect("golden").map(|file| file.expect("an entry").path()) {
        assert!(listed.contains(&file) || file.ends_with("ledger.md"), "{} is in no entry", file.display());
    }
}
