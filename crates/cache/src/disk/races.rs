//! Every schedule of a fill, a purge, a reader and the tier's thread, and a crash at the moment when the purge is
//! acknowledged: what a fence covers is admitted no more, by this process or the next.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use afterimage_identity::{Fence, ManualClock, Selector, Stamp, Version};
use bytes::Bytes;
use shuttle::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use shuttle::thread;

use super::{Codec, DiskConfig, DiskParts, Files, Moment, Packed};
use crate::races::{explore, join, original, selectors};
use crate::{Admission, Begun, Cache, Config, Entry, Facts, Found};

const PATH: &str = "/a/-/w1.png";
const OLD: u8 = 1;
const NEW: u8 = 2;

#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Files for Shelf {
    fn read(&self, name: &str, bytes_max: u64) -> io::Result<(Vec<u8>, u64)> {
        let files = self.0.lock().unwrap();
        let file = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok((file[..file.len().min(bytes_max as usize)].to_vec(), file.len() as u64))
    }
    fn write(&self, name: &str, parts: &[&[u8]], _: bool) -> io::Result<()> {
        // Between its bytes and its name, anything may happen.
        thread::yield_now();
        self.0.lock().unwrap().insert(name.to_owned(), parts.concat());
        Ok(())
    }
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        thread::yield_now();
        self.0.lock().unwrap().get_mut(name).ok_or(io::ErrorKind::NotFound)?.extend_from_slice(bytes);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        thread::yield_now();
        self.0.lock().unwrap().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

struct Plain;

impl Codec<Vec<u8>> for Plain {
    fn pack(&self, payload: &Vec<u8>) -> Option<Packed> {
        Some(Packed { about: String::new(), body: Bytes::copy_from_slice(payload) })
    }
    fn unpack(&self, packed: Packed, _: Moment) -> Option<Vec<u8>> {
        Some(packed.body.to_vec())
    }
}

fn open(shelf: &Shelf) -> Cache<Vec<u8>> {
    let disk = DiskConfig {
        bytes_max: 1 << 20,
        place: String::new(),
        meaning: String::new(),
        boot: Some("the only one".into()),
    };
    let parts =
        DiskParts { files: Arc::new(shelf.clone()), codec: Arc::new(Plain), clock: Arc::new(ManualClock::default()) };
    // Room for one entry: the other pushes it out.
    Cache::with_disk(Config { bytes_max: 900, item_bytes_max: 900, shards: 1, ..Config::default() }, disk, parts)
}

struct World {
    cache: Cache<Vec<u8>>,
    shelf: Shelf,
    source: AtomicU8,
    raised: AtomicBool,
}

impl World {
    fn fill(&self, path: &str) {
        let Begun::Lead(fill) = self.cache.begin(path, None, &[], Stamp(1)) else { return };
        let content = self.source.load(Ordering::SeqCst);
        let facts = Facts {
            path: path.into(),
            original: Some(original()),
            version: Version::new(&content.to_string()).ok(),
            proved_at: Some(Stamp(1)),
            tags: original().tags(),
            fresh_until: None,
        };
        if let Ok(entry) = fill.publish(facts, vec![content], true, Stamp(1)) {
            self.serve(&entry);
        }
    }

    fn serve(&self, entry: &Entry<Vec<u8>>) {
        let raised = self.raised.load(Ordering::SeqCst);
        // The other path only takes its room; not every selector is about it.
        if entry.facts.path == PATH && self.cache.admit(entry) == Admission::Admit {
            assert!(!raised || entry.payload == [NEW], "the old picture was admitted after the purge returned");
        }
    }

    fn request(&self) {
        let found = match self.cache.look(PATH, Stamp(1)) {
            Found::Miss { .. } if self.cache.recall_now(PATH) => self.cache.look(PATH, Stamp(1)),
            found => found,
        };
        if let Found::Hit { entry, .. } | Found::Prove { entry, .. } = found {
            self.serve(&entry);
        }
    }

    /// What the next process would find among these files.
    fn check_next(shelf: &Shelf, when: &str) {
        let next = open(shelf);
        if next.recall_now(PATH)
            && let Found::Hit { entry, .. } | Found::Prove { entry, .. } = next.look(PATH, Stamp(1))
        {
            assert_eq!(entry.payload, [NEW], "the next process found the old picture: {when}");
        }
    }
}

fn race(selector: Selector) {
    explore(move || {
        let shelf = Shelf::default();
        let (source, raised) = (AtomicU8::new(OLD), AtomicBool::new(false));
        let world = Arc::new(World { cache: open(&shelf), shelf, source, raised });
        let (filler, tender, reader, purger) = (world.clone(), world.clone(), world.clone(), world.clone());
        let selector = selector.clone();
        join(vec![
            thread::spawn(move || [PATH, "/a/-/w2.png"].iter().for_each(|path| filler.fill(path))),
            thread::spawn(move || (0..4).for_each(|_| _ = tender.cache.tend())),
            thread::spawn(move || (0..2).for_each(|_| reader.request())),
            thread::spawn(move || {
                purger.source.store(NEW, Ordering::SeqCst);
                purger.cache.raise(&selector);
                purger.raised.store(true, Ordering::SeqCst);
                let crashed = Shelf(Arc::new(Mutex::new(purger.shelf.0.lock().unwrap().clone())));
                World::check_next(&crashed, "killed when the purge was acknowledged");
            }),
        ]);
        world.request();
        World::check_next(&world.shelf, "killed later");
    });
}

#[test]
fn a_fill_never_outlives_a_purge_on_disk() {
    selectors().into_iter().for_each(race);
}
