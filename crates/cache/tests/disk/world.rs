//! A file system in memory that can be full, fail, or die at any moment, and a cache over it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterimage_cache::{
    Begun, Cache, Codec, Config, DiskConfig, DiskParts, DiskUsage, DropWhy, Facts, Files, Found, Moment, Packed,
};
use afterimage_identity::{Clock, ManualClock, Original, OriginalKey, SourceId, Stamp, Version, digest_hex};
use bytes::Bytes;

/// What goes wrong.
#[derive(Default)]
pub struct Faults {
    /// All files together have no more room than this.
    pub bytes_max: Option<usize>,
    /// Every write, addition and removal fails with this.
    pub error: Option<io::ErrorKind>,
    /// After so many changes the process is dead: nothing happens any more, and the last addition is only half there.
    pub dies_after: Option<usize>,
    /// Only files whose name begins so are affected by `error`.
    pub only: &'static str,
}

#[derive(Default)]
pub struct MemoryFiles {
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    pub faults: Mutex<Faults>,
}

impl MemoryFiles {
    fn change(&self, name: &str, bytes: usize) -> io::Result<()> {
        let mut faults = self.faults.lock().unwrap();
        if let Some(left) = &mut faults.dies_after {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Err(io::ErrorKind::Other.into()),
            }
        }
        if let Some(kind) = faults.error.filter(|_| name.starts_with(faults.only)) {
            return Err(kind.into());
        }
        let taken: usize = self.files.lock().unwrap().values().map(Vec::len).sum();
        if faults.bytes_max.is_some_and(|max| bytes > 0 && taken + bytes > max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// The names of entries' files.
    pub fn entries(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().filter(|name| name.contains('/')).cloned().collect()
    }

    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(self.files.lock().unwrap().get_mut(name).unwrap_or_else(|| panic!("{name} is not there")));
    }

    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }
}

impl Files for MemoryFiles {
    fn read(&self, name: &str, bytes_max: u64) -> io::Result<(Vec<u8>, u64)> {
        let files = self.files.lock().unwrap();
        let file = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok((file[..file.len().min(bytes_max as usize)].to_vec(), file.len() as u64))
    }
    fn write(&self, name: &str, parts: &[&[u8]], _durable: bool) -> io::Result<()> {
        let whole = parts.concat();
        self.change(name, whole.len())?;
        self.files.lock().unwrap().insert(name.to_owned(), whole);
        Ok(())
    }
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let changed = self.change(name, bytes.len());
        let mut files = self.files.lock().unwrap();
        let file = files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let dying = self.faults.lock().unwrap().dies_after == Some(0);
        // A fault in the middle of it: a part is there.
        let part = if changed.is_ok() && !dying { bytes.len() } else { bytes.len() / 2 };
        if changed.is_ok() || self.faults.lock().unwrap().dies_after.is_none() {
            file.extend_from_slice(&bytes[..part]);
        }
        changed
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(name, 0)?;
        self.files.lock().unwrap().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let folder = format!("{folder}/");
        Ok(self.files.lock().unwrap().keys().filter_map(|name| name.strip_prefix(&folder)).map(str::to_owned).collect())
    }
}

/// Bodies as they are.
pub struct Plain;

impl Codec<Vec<u8>> for Plain {
    fn pack(&self, payload: &Vec<u8>) -> Option<Packed> {
        Some(Packed { about: "plain".into(), body: Bytes::copy_from_slice(payload) })
    }
    fn unpack(&self, packed: Packed, _: Moment) -> Option<Vec<u8>> {
        (packed.about == "plain").then(|| packed.body.to_vec())
    }
}

pub const WINDOW: Duration = Duration::from_nanos(40);
pub const BUDGET: u64 = 1 << 30;

pub fn memory() -> Config {
    Config { window: WINDOW, shards: 1, ..Config::default() }
}

/// A disk that outlives the caches over it.
#[derive(Clone)]
pub struct World {
    pub files: Arc<MemoryFiles>,
    pub clock: Arc<ManualClock>,
    pub boot: &'static str,
    pub meaning: &'static str,
    pub bytes_max: u64,
    pub memory: Config,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1));
        Self { files: Arc::default(), clock, boot: "one", meaning: "", bytes_max: BUDGET, memory: memory() }
    }

    pub fn open(&self) -> Cache<Vec<u8>> {
        let boot = Some(self.boot.to_owned());
        let disk = DiskConfig { bytes_max: self.bytes_max, place: "here".into(), meaning: self.meaning.into(), boot };
        let parts = DiskParts { files: self.files.clone(), codec: Arc::new(Plain), clock: self.clock.clone() };
        Cache::with_disk(self.memory.clone(), disk, parts)
    }

    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// Fetches and keeps.
    pub fn put(&self, cache: &Cache<Vec<u8>>, facts: Facts, body: &[u8]) {
        let Begun::Lead(fill) = cache.begin(&facts.path, None, &[], self.now()) else { panic!("somebody fills") };
        fill.publish(facts, body.to_vec(), true, self.now()).expect("no fence");
    }

    /// Looks in memory, then on disk.
    pub fn find(&self, cache: &Cache<Vec<u8>>, path: &str) -> Found<Vec<u8>> {
        match cache.look(path, self.now()) {
            Found::Miss { .. } if cache.recall_now(path) => cache.look(path, self.now()),
            found => found,
        }
    }

    /// The body of an entry without an original.
    pub fn body(&self, cache: &Cache<Vec<u8>>, path: &str) -> Option<Vec<u8>> {
        match self.find(cache, path) {
            Found::Hit { entry, .. } => Some(entry.payload.clone()),
            Found::Prove { .. } => panic!("{path} needs a proof"),
            Found::Miss { .. } => None,
        }
    }
}

/// Does all the work there is.
pub fn settle(cache: &Cache<Vec<u8>>) {
    while cache.tend() {}
}

pub fn usage(cache: &Cache<Vec<u8>>) -> DiskUsage {
    cache.usage().disk.expect("a tier")
}

pub fn dropped(cache: &Cache<Vec<u8>>, why: DropWhy) -> u64 {
    usage(cache).dropped[why as usize]
}

pub fn original(key: &str) -> Original {
    Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
}

pub fn version(version: u8) -> Version {
    Version::new(&version.to_string()).unwrap()
}

/// An answer without an original.
pub fn bare(path: &str) -> Facts {
    Facts { path: path.to_owned(), ..Facts::default() }
}

/// A picture of an original's version, proven at a moment.
pub fn picture(path: &str, key: &str, v: u8, proved_at: Stamp) -> Facts {
    let original = original(key);
    Facts {
        path: path.to_owned(),
        tags: original.tags(),
        original: Some(original),
        version: Some(version(v)),
        proved_at: Some(proved_at),
        fresh_until: None,
    }
}

/// Where the entry of a path lies.
pub fn file_of(path: &str) -> String {
    let digest = digest_hex(path.as_bytes());
    format!("{}/{}", &digest[..2], &digest[2..])
}
