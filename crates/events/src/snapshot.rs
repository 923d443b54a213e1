//! What a directory looked like at one moment, in bounded memory, and what two looks differ in. It never follows
//! symbolic links, and what it could not read it takes to be as it was: an error is not an absence.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use afterimage_identity::{Happened, Subject};

use crate::keys::{Folder, Subjects, join};
use crate::stop::Stop;

/// A file changed as recently as this may change again without a new time stamp (the kernel's clock ticks, and file
/// systems round up to 2 s); it is reported once more when it has come of age.
const YOUNG_S: i64 = 2;

/// The digest of what tells that a file changed: device, inode, ctime, mtime, size, and whether it is young.
type Print = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entries {
    Named(HashMap<Box<str>, Print>),
    /// Past the bound: one sum for the whole folder.
    Sum(u64),
}

impl Entries {
    fn sum(&self) -> u64 {
        match self {
            Self::Named(named) => {
                named.iter().fold(0, |sum: u64, (name, print)| sum.wrapping_add(digest(&(name, print))))
            }
            Self::Sum(sum) => *sum,
        }
    }
}

/// One look at a directory.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    folders: BTreeMap<Folder, Entries>,
    /// How many files are remembered by name.
    named: usize,
    /// Past the bound of folders: one sum for all of them.
    rest: u64,
    /// Folders that could not be read.
    unread: Vec<Folder>,
}

/// What two looks differ in.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) words: Vec<(Subject, Happened)>,
    /// How many files, or folders past the bound, are gone.
    pub(crate) removed: usize,
}

impl Snapshot {
    /// Looks at `root`, remembering at most `entries_max` files by name and as many folders. `None` when stopped.
    pub(crate) fn take(root: &Path, entries_max: usize, now: SystemTime, stop: &Stop) -> Option<Self> {
        let now_s =
            now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        let mut snapshot = Self::default();
        let mut ahead = vec![Folder::new()];
        while let Some(folder) = ahead.pop() {
            if stop.is_raised() {
                return None;
            }
            match read_folder(root, &folder, now_s, &mut ahead) {
                Ok(files) => snapshot.insert(folder, files, entries_max),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(_) => snapshot.unread.push(folder),
            }
        }
        Some(snapshot)
    }

    /// How many files it remembers by name.
    pub(crate) fn named(&self) -> usize {
        self.named
    }

    fn insert(&mut self, folder: Folder, files: Vec<(Box<str>, Print)>, entries_max: usize) {
        let entries = if self.named + files.len() <= entries_max {
            self.named += files.len();
            Entries::Named(files.into_iter().collect())
        } else {
            Entries::Sum(Entries::Named(files.into_iter().collect()).sum())
        };
        if self.folders.len() < entries_max {
            self.folders.insert(folder, entries);
        } else {
            self.rest = self.rest.wrapping_add(digest(&(folder, entries.sum())));
        }
    }

    /// Takes over from `earlier` what could not be read this time.
    pub(crate) fn carry_over(&mut self, earlier: &mut Snapshot) {
        for unread in std::mem::take(&mut self.unread) {
            let below: Vec<Folder> = earlier
                .folders
                .range(unread.clone()..)
                .map(|(folder, _)| folder)
                .take_while(|f| f.starts_with(&unread))
                .cloned()
                .collect();
            for folder in below {
                if let Some(entries) = earlier.folders.get(&folder)
                    && !self.folders.contains_key(&folder)
                {
                    if let Entries::Named(named) = entries {
                        self.named += named.len();
                    }
                    self.folders.insert(folder, entries.clone());
                }
            }
        }
    }

    /// What is different now from `earlier`.
    pub(crate) fn since(&self, earlier: &Snapshot, subjects: &Subjects) -> Difference {
        let mut difference = Difference::default();
        if self.rest != earlier.rest {
            difference.words.push((subjects.everything(), Happened::Changed));
        }
        for (folder, before) in &earlier.folders {
            match (before, self.folders.get(folder)) {
                (before, Some(after)) if before == after => {}
                (Entries::Named(before), Some(Entries::Named(after))) => {
                    named_difference(folder, before, after, subjects, &mut difference);
                }
                (before, Some(after)) if before.sum() == after.sum() => {}
                (_, Some(_)) => difference.words.push((subjects.folder(folder), Happened::Changed)),
                (before, None) => {
                    difference.removed += if let Entries::Named(named) = before { named.len() } else { 1 };
                    difference.words.push((subjects.folder(folder), Happened::Removed));
                }
            }
        }
        for (folder, after) in self.folders.iter().filter(|(folder, _)| !earlier.folders.contains_key(*folder)) {
            difference.words.push((subjects.folder(folder), Happened::Created));
            if let Entries::Named(after) = after {
                named_difference(folder, &HashMap::new(), after, subjects, &mut difference);
            }
        }
        difference
    }
}

fn named_difference(
    folder: &str,
    before: &HashMap<Box<str>, Print>,
    after: &HashMap<Box<str>, Print>,
    subjects: &Subjects,
    difference: &mut Difference,
) {
    let mut say = |name: &str, happened| {
        difference.words.extend(subjects.original(&format!("{folder}{name}")).map(|subject| (subject, happened)));
    };
    for (name, print) in after {
        match before.get(name) {
            Some(earlier) if earlier == print => {}
            Some(_) => say(name, Happened::Changed),
            None => say(name, Happened::Created),
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        say(name, Happened::Removed);
        difference.removed += 1;
    }
}

/// The files of one folder; its folders go to `ahead`.
fn read_folder(
    root: &Path,
    folder: &str,
    now_s: i64,
    ahead: &mut Vec<Folder>,
) -> std::io::Result<Vec<(Box<str>, Print)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let Some(joined) = join(folder, &entry.file_name()) else { continue };
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            ahead.push(joined + "/");
        } else {
            files.push((joined[folder.len()..].into(), print(&metadata, now_s)));
        }
    }
    Ok(files)
}

fn print(metadata: &Metadata, now_s: i64) -> Print {
    let young = metadata.ctime() >= now_s - YOUNG_S;
    let times = (metadata.ctime(), metadata.ctime_nsec(), metadata.mtime(), metadata.mtime_nsec());
    digest(&(metadata.dev(), metadata.ino(), times, metadata.size(), young))
}

fn digest(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use afterimage_identity::SourceId;

    use super::*;

    fn look(root: &Path, entries_max: usize) -> Snapshot {
        // Far enough in the future that no file is young.
        let now = SystemTime::now() + Duration::from_secs(60);
        Snapshot::take(root, entries_max, now, &Stop::default()).unwrap()
    }

    fn told(before: &Snapshot, after: &Snapshot) -> Vec<(String, Happened)> {
        let difference = after.since(before, &Subjects::new(SourceId::default()));
        let name = |subject: Subject| match subject {
            Subject::Original(original) => original.key.to_string(),
            Subject::Folder { prefix, .. } => prefix,
            Subject::Everything { .. } => "everything".to_owned(),
        };
        let mut told: Vec<_> =
            difference.words.into_iter().map(|(subject, happened)| (name(subject), happened)).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("p")).unwrap();
        for name in ["a", "b", "p/c", ".hidden"] {
            fs::write(root.path().join(name), name).unwrap();
        }
        root
    }

    #[test]
    fn names_what_differs() {
        let root = tree();
        let before = look(root.path(), 100);
        assert_eq!(before.named(), 3);
        assert_eq!(told(&before, &look(root.path(), 100)), []);
        fs::remove_file(root.path().join("a")).unwrap();
        fs::write(root.path().join("b"), "longer").unwrap();
        fs::write(root.path().join("p/d"), "new").unwrap();
        fs::write(root.path().join(".hidden"), "other").unwrap();
        let wanted = [("a", Happened::Removed), ("b", Happened::Changed), ("p/d", Happened::Created)];
        assert_eq!(told(&before, &look(root.path(), 100)), wanted.map(|(name, word)| (name.to_owned(), word)));
        fs::remove_dir_all(root.path().join("p")).unwrap();
        assert!(told(&before, &look(root.path(), 100)).contains(&("p/".to_owned(), Happened::Removed)));
    }

    #[test]
    fn past_the_bound_it_names_folders_and_then_everything() {
        let root = tree();
        // Three files in two folders: at the bound all are named, past it the second folder is one sum.
        assert_eq!(look(root.path(), 3).named(), 3);
        let before = look(root.path(), 2);
        assert_eq!(before.named(), 2);
        fs::write(root.path().join("p/c"), "longer").unwrap();
        assert_eq!(told(&before, &look(root.path(), 2)), [("p/".to_owned(), Happened::Changed)]);
        let before = look(root.path(), 1);
        fs::write(root.path().join("p/c"), "longer still").unwrap();
        assert_eq!(told(&before, &look(root.path(), 1)), [("everything".to_owned(), Happened::Changed)]);
    }

    #[test]
    fn what_cannot_be_read_is_as_it_was() {
        let root = tree();
        let mut before = look(root.path(), 100);
        let mut after = look(root.path(), 100);
        after.folders.remove("p/");
        after.unread.push("p/".to_owned());
        after.carry_over(&mut before);
        assert_eq!(told(&before, &after), []);
    }

    #[test]
    fn a_young_file_is_reported_again_when_it_comes_of_age() {
        let root = tree();
        let young = Snapshot::take(root.path(), 9, SystemTime::now(), &Stop::default()).unwrap();
        let grown: Vec<_> = told(&young, &look(root.path(), 9)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(grown, ["a", "b", "p/c"]);
    }
}
