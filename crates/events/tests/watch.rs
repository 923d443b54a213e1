//! Each way in which files come, change and go, seen by both ways of watching.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use afterimage_events::{Config, Mode, Prefer, Watch};
use afterimage_identity::{Event, FoundBy, Happened, SourceId, Subject};

fn name(event: &Event) -> String {
    assert_eq!(event.found_by, FoundBy::Event);
    match &event.subject {
        Subject::Original(original) => original.key.to_string(),
        Subject::Folder { prefix, .. } => prefix.clone(),
        Subject::Everything { .. } => "everything".to_owned(),
    }
}

struct Watched {
    root: tempfile::TempDir,
    events: Receiver<Event>,
    watch: Watch,
}

impl Watched {
    fn new(prefer: Prefer, prepare: impl FnOnce(&Path)) -> Self {
        Self::with(Config { prefer, poll_ms: 25, ..Config::default() }, prepare)
    }

    fn with(config: Config, prepare: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let photos = root.path().join("photos");
        fs::create_dir(&photos).unwrap();
        prepare(&photos);
        let (sender, events) = channel();
        let sink = Box::new(move |event| drop(sender.send(event)));
        let watch = Watch::start(&photos, SourceId::default(), config, sink).unwrap();
        Self { root, events, watch }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join("photos").join(name)
    }

    fn outside(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    /// Waits for all of `wanted`; what else is heard does not matter.
    #[track_caller]
    fn hears(&self, wanted: &[(&str, Happened)]) {
        let mut missing: HashSet<_> = wanted.iter().map(|(name, happened)| (name.to_string(), *happened)).collect();
        let mut heard = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while !missing.is_empty() {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    missing.remove(&(name(&event), event.happened));
                    heard.push((name(&event), event.happened));
                }
                Err(_) => panic!("not heard: {missing:?}; heard: {heard:?}"),
            }
        }
    }

    /// Everything that is told until nothing more comes.
    fn rest(&self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Ok(event) = self.events.recv_timeout(Duration::from_millis(120)) {
            heard.push(name(&event));
        }
        heard
    }
}

const BOTH: [Prefer; 2] = [Prefer::Auto, Prefer::Poll];

#[test]
fn files_come_change_and_go() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |root| fs::write(root.join("old.jpg"), "old").unwrap());
        fs::write(watched.path("new.jpg"), "new").unwrap();
        watched.hears(&[("new.jpg", Happened::Created)]);
        fs::write(watched.path("old.jpg"), "other").unwrap();
        watched.hears(&[("old.jpg", Happened::Changed)]);
        fs::remove_file(watched.path("old.jpg")).unwrap();
        watched.hears(&[("old.jpg", Happened::Removed)]);
    }
}

#[test]
fn a_copy_that_keeps_size_and_time_is_heard() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |root| {
            fs::write(root.join("a.jpg"), "old").unwrap();
            fs::write(root.join("b.jpg"), "new").unwrap();
        });
        let modified = fs::metadata(watched.path("a.jpg")).unwrap().modified().unwrap();
        let mut file = File::options().write(true).open(watched.path("a.jpg")).unwrap();
        file.write_all(b"new").unwrap();
        file.set_modified(modified).unwrap();
        drop(file);
        watched.hears(&[("a.jpg", Happened::Changed)]);
    }
}

#[test]
fn temporary_files_are_silent_and_their_renames_are_not() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |root| fs::write(root.join("a.jpg"), "old").unwrap());
        // Polling reports young files once more when they have come of age.
        watched.rest();
        fs::write(watched.path(".a.jpg.x7f"), "newer").unwrap();
        fs::create_dir(watched.path(".thumbs")).unwrap();
        fs::write(watched.path(".thumbs/x.jpg"), "x").unwrap();
        fs::create_dir(watched.path("-")).unwrap();
        fs::write(watched.path("-/x.jpg"), "x").unwrap();
        assert!(!watched.rest().iter().any(|name| name.contains("x.jpg") || name.contains('-')));
        fs::rename(watched.path(".a.jpg.x7f"), watched.path("a.jpg")).unwrap();
        watched.hears(&[("a.jpg", Happened::Changed)]);
    }
}

#[test]
fn renames_within_out_and_in() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |root| {
            for name in ["a.jpg", "b.jpg"] {
                fs::write(root.join(name), name).unwrap();
            }
        });
        fs::rename(watched.path("a.jpg"), watched.path("c.jpg")).unwrap();
        let arrived = if prefer == Prefer::Auto { Happened::Changed } else { Happened::Created };
        watched.hears(&[("a.jpg", Happened::Removed), ("c.jpg", arrived)]);
        fs::rename(watched.path("b.jpg"), watched.outside("b.jpg")).unwrap();
        watched.hears(&[("b.jpg", Happened::Removed)]);
        fs::rename(watched.outside("b.jpg"), watched.path("d.jpg")).unwrap();
        watched.hears(&[("d.jpg", arrived)]);
    }
}

#[test]
fn folders_are_renamed_within_out_in_and_removed() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |root| {
            fs::create_dir_all(root.join("p/q")).unwrap();
            fs::write(root.join("p/q/a.jpg"), "a").unwrap();
        });
        let arrived = if prefer == Prefer::Auto { Happened::Changed } else { Happened::Created };
        fs::rename(watched.path("p"), watched.path("r")).unwrap();
        watched.hears(&[("p/", Happened::Removed), ("r/", arrived), ("r/q/a.jpg", Happened::Created)]);
        fs::write(watched.path("r/q/b.jpg"), "b").unwrap();
        watched.hears(&[("r/q/b.jpg", Happened::Created)]);
        fs::rename(watched.path("r"), watched.outside("r")).unwrap();
        watched.hears(&[("r/", Happened::Removed)]);
        fs::write(watched.outside("r/q/c.jpg"), "c").unwrap();
        assert!(!watched.rest().iter().any(|name| name.contains("c.jpg")), "what happens outside is not ours");
        fs::rename(watched.outside("r"), watched.path("s")).unwrap();
        watched.hears(&[("s/", arrived), ("s/q/c.jpg", Happened::Created)]);
        fs::remove_dir_all(watched.path("s")).unwrap();
        watched.hears(&[("s/", Happened::Removed)]);
    }
}

#[test]
fn files_in_a_folder_younger_than_its_watch_are_heard() {
    let watched = Watched::new(Prefer::Auto, |_| {});
    let mut wanted = Vec::new();
    for round in 0..50 {
        let folder = format!("f{round}/g/h");
        fs::create_dir_all(watched.path(&folder)).unwrap();
        fs::write(watched.path(&folder).join("a.jpg"), "a").unwrap();
        wanted.push(format!("{folder}/a.jpg"));
    }
    let wanted: Vec<_> = wanted.iter().map(|name| (name.as_str(), Happened::Created)).collect();
    watched.hears(&wanted);
}

#[test]
fn a_folder_swapped_for_another_of_the_same_name_is_still_watched() {
    let watched = Watched::new(Prefer::Auto, |root| fs::create_dir(root.join("p")).unwrap());
    for round in 0..20 {
        fs::rename(watched.path("p"), watched.path(&format!("old{round}"))).unwrap();
        fs::create_dir(watched.path("p")).unwrap();
    }
    watched.rest();
    fs::write(watched.path("p/a.jpg"), "a").unwrap();
    fs::write(watched.path("old7/b.jpg"), "b").unwrap();
    watched.hears(&[("p/a.jpg", Happened::Created), ("old7/b.jpg", Happened::Created)]);
}

#[test]
fn events_are_prompt_and_joined() {
    let watched = Watched::new(Prefer::Auto, |_| {});
    assert_eq!(watched.watch.mode(), Mode::Inotify);
    let start = Instant::now();
    let mut file = File::create(watched.path("a.jpg")).unwrap();
    for _ in 0..100 {
        file.write_all(b"some").unwrap();
    }
    drop(file);
    watched.hears(&[("a.jpg", Happened::Created)]);
    // 50 ms is the promise on an idle machine; tests share theirs.
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    assert_eq!(watched.rest(), Vec::<String>::new());
}

#[test]
fn the_loss_of_the_root_is_everything_and_so_is_its_return() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |root| fs::write(root.join("a.jpg"), "a").unwrap());
        fs::rename(watched.path(""), watched.outside("elsewhere")).unwrap();
        watched.hears(&[("everything", Happened::Changed)]);
        fs::create_dir(watched.path("")).unwrap();
        watched.hears(&[("everything", Happened::Changed)]);
        fs::write(watched.path("b.jpg"), "b").unwrap();
        watched.hears(&[("b.jpg", Happened::Created)]);
    }
}

#[test]
fn the_move_of_a_parent_of_the_root_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let photos = root.path().join("x/photos");
    fs::create_dir_all(&photos).unwrap();
    let (sender, events) = channel();
    let config = Config { poll_ms: 25, ..Config::default() };
    let _watch =
        Watch::start(&photos, SourceId::default(), config, Box::new(move |event| drop(sender.send(event)))).unwrap();
    fs::rename(root.path().join("x"), root.path().join("y")).unwrap();
    assert_eq!(name(&events.recv_timeout(Duration::from_secs(5)).unwrap()), "everything");
}

#[test]
fn past_the_watch_limit_it_polls_and_says_so() {
    let config = Config { watches_max: 2, poll_ms: 25, ..Config::default() };
    let two = Watched::with(config.clone(), |root| fs::create_dir(root.join("p")).unwrap());
    assert_eq!(two.watch.mode(), Mode::Inotify);
    // One folder too many while it runs: from there on it polls, and what it may have missed is everything.
    fs::create_dir(two.path("q")).unwrap();
    two.hears(&[("everything", Happened::Changed)]);
    assert!(matches!(two.watch.mode(), Mode::Polling { why } if why.contains("watches_max")));
    fs::write(two.path("q/a.jpg"), "a").unwrap();
    two.hears(&[("q/a.jpg", Happened::Created)]);

    let three = Watched::with(config, |root| fs::create_dir_all(root.join("p/q")).unwrap());
    assert!(matches!(three.watch.mode(), Mode::Polling { .. }));
}

#[test]
fn a_lost_queue_is_everything() {
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (File::create(root.path().join("a")).unwrap(), File::create(root.path().join("b")).unwrap());
    let (sender, events) = channel();
    let (free, gate) = channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    // The first event blocks its listener until more have happened than the kernel queues.
    let sink = Box::new(move |event| {
        let _ = gate.lock().unwrap().recv();
        drop(sender.send(event));
    });
    let queued: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let watch = Watch::start(root.path(), SourceId::default(), Config::default(), sink).unwrap();
    File::create(root.path().join("first")).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let times = fs::FileTimes::new().set_accessed(std::time::UNIX_EPOCH).set_modified(std::time::UNIX_EPOCH);
    for _ in 0..queued {
        // Alternating, because the kernel joins equal neighbours.
        a.set_times(times).unwrap();
        b.set_times(times).unwrap();
    }
    drop(free);
    let mut heard = Vec::new();
    while heard.last().is_none_or(|name| name != "everything") {
        heard.push(name(&events.recv_timeout(Duration::from_secs(5)).unwrap()));
    }
    File::create(root.path().join("c")).unwrap();
    while name(&events.recv_timeout(Duration::from_secs(5)).unwrap()) != "c" {}
    drop(watch);
}

#[test]
fn polling_tells_mass_loss_as_everything() {
    let watched = Watched::new(Prefer::Poll, |root| {
        for number in 0..101 {
            fs::write(root.join(format!("{number}.jpg")), "x").unwrap();
        }
    });
    for number in 0..101 {
        fs::rename(watched.path(&format!("{number}.jpg")), watched.outside(&format!("{number}.jpg"))).unwrap();
    }
    // A look may fall in between the removals, and then the rest is named; nothing is silent either way.
    let mut heard = HashSet::new();
    while heard.len() < 101 && !heard.contains("everything") {
        heard.insert(name(&watched.events.recv_timeout(Duration::from_secs(5)).unwrap()));
    }
}

#[test]
fn dropped_is_stopped() {
    for prefer in BOTH {
        let watched = Watched::new(prefer, |_| {});
        let start = Instant::now();
        drop(watched.watch);
        assert!(start.elapsed() < Duration::from_secs(2));
        let end = watched.events.recv_timeout(Duration::from_millis(1));
        assert_eq!(end.unwrap_err(), RecvTimeoutError::Disconnected, "the sink is dropped with the thread");
    }
}

#[test]
fn a_watch_dropped_by_its_own_sink_does_not_wait_for_itself() {
    let root = tempfile::tempdir().unwrap();
    let slot: Arc<std::sync::Mutex<Option<Watch>>> = Arc::default();
    let (sender, done) = channel();
    let inner = slot.clone();
    let sink = Box::new(move |_| {
        drop(inner.lock().unwrap().take());
        let _ = sender.send(());
    });
    *slot.lock().unwrap() = Some(Watch::start(root.path(), SourceId::default(), Config::default(), sink).unwrap());
    File::create(root.path().join("a")).unwrap();
    done.recv_timeout(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_root_that_is_no_directory_and_settings_out_of_range_are_errors() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "x").unwrap();
    let start = |path: &str, config| Watch::start(&root.path().join(path), SourceId::default(), config, Box::new(drop));
    assert!(start("", Config::default()).is_ok());
    assert!(start("file", Config::default()).is_err());
    assert!(start("nothing", Config::default()).is_err());
    assert!(start("", Config { poll_ms: 10, coalesce_ms: 1_000, entries_max: 1, ..Config::default() }).is_ok());
    assert!(start("", Config { poll_ms: 9, ..Config::default() }).is_err());
    assert!(start("", Config { coalesce_ms: 1_001, ..Config::default() }).is_err());
    assert!(start("", Config { entries_max: 0, ..Config::default() }).is_err());
}
