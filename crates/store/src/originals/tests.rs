//! Every way an original can come, go and change, and what may be said of it then.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use afterimage_identity::{Stamp, Unprovable, Version};

use super::*;
use crate::Refusal;

/// The machine's wall clock, moved; our own clock moves as far.
#[derive(Default)]
struct Moved(AtomicI64);

impl Moved {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst) as u64 * 1_000_000)
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now() + Duration::from_millis(self.0.load(Ordering::SeqCst) as u64)
    }
}

struct World {
    _dir: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
    clock: Arc<Moved>,
    store: Originals,
}

fn world_with(config: Config) -> World {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&outside).unwrap();
    let clock = Arc::new(Moved::default());
    let store = Originals::open(&root, config, clock.clone()).unwrap();
    World { _dir: dir, root, outside, clock, store }
}

fn world() -> World {
    world_with(Config::default())
}

fn refused<T>(why: Refusal) -> Result<T, Error> {
    Err(Error::Refused { why })
}

impl World {
    fn write(&self, key: &str, bytes: &[u8]) {
        let path = self.root.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    async fn version(&self, key: &str) -> Result<Version, Error> {
        let stat = self.store.stat(key).await?;
        let object = self.store.get(key, u64::MAX).await.unwrap();
        assert_eq!(object.stat.version, Version::of_content(&object.body));
        assert_eq!(object.stat.version, stat.version, "get and stat agree");
        assert_eq!(object.meta.version.as_ref(), Some(&stat.version));
        Ok(stat.version)
    }

    /// Lets everything come to rest, and be remembered.
    async fn remember(&self, key: &str) {
        self.clock.advance(Duration::from_secs(10));
        let stat = self.store.stat(key).await.unwrap();
        assert!(stat.settled);
        assert_eq!(self.store.inner.glance(key).unwrap(), Some(stat), "known without reading");
    }
}

#[tokio::test]
async fn a_file_settles_and_is_then_known_without_reading() {
    let world = world();
    world.write("a.jpg", b"one");
    let stat = world.store.stat("a.jpg").await.unwrap();
    assert_eq!(stat, Stat::local(Version::of_content(b"one"), 3, false));
    assert_eq!(world.store.inner.glance("a.jpg").unwrap(), None, "too fresh to vouch for");
    assert!(!world.store.get("a.jpg", 3).await.unwrap().stat.settled);
    world.remember("a.jpg").await;
    assert!(world.store.get("a.jpg", 3).await.unwrap().stat.settled);
}

#[tokio::test]
async fn every_change_is_seen_at_once() {
    let world = world();
    let path = world.root.join("a.jpg");
    let times = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    type Change = fn(&Path, SystemTime);
    let changes: [(&str, Change); 6] = [
        ("written over in place", |path, _| fs::write(path, b"two").unwrap()),
        ("same size, same mtime, as cp -p does", |path, modified| {
            let mut file = fs::File::options().write(true).open(path).unwrap();
            file.write_all(b"two").unwrap();
            file.set_modified(modified).unwrap();
        }),
        ("renamed over, same size and mtime", |path, modified| {
            let beside = path.with_extension("new");
            fs::write(&beside, b"two").unwrap();
            fs::File::options().write(true).open(&beside).unwrap().set_modified(modified).unwrap();
            fs::rename(beside, path).unwrap();
        }),
        ("removed and made again", |path, _| {
            fs::remove_file(path).unwrap();
            fs::write(path, b"two").unwrap();
        }),
        ("another file linked to its name", |path, _| {
            let beside = path.with_extension("new");
            fs::write(&beside, b"two").unwrap();
            fs::remove_file(path).unwrap();
            fs::hard_link(&beside, path).unwrap();
            fs::remove_file(beside).unwrap();
        }),
        ("one byte within", |path, modified| {
            let mut file = fs::File::options().write(true).open(path).unwrap();
            file.write_all(b"t").unwrap();
            file.seek(std::io::SeekFrom::Start(1)).unwrap();
            file.write_all(b"wo").unwrap();
            file.set_modified(modified).unwrap();
        }),
    ];
    for (how, change) in changes {
        world.write("a.jpg", b"one");
        world.remember("a.jpg").await;
        change(&path, times(&path));
        assert_eq!(world.version("a.jpg").await.unwrap(), Version::of_content(b"two"), "{how}");
    }
    // Other looks, same content: read again, same version.
    world.remember("a.jpg").await;
    fs::hard_link(&path, world.root.join("b.jpg")).unwrap();
    assert_eq!(world.store.inner.glance("a.jpg").unwrap(), None, "a link changes the time of change");
    assert_eq!(world.version("a.jpg").await.unwrap(), Version::of_content(b"two"));
}

#[tokio::test]
async fn two_writes_within_one_tick_are_two_versions() {
    let world = world_with(Config { settle_ms: 0, ..Config::default() });
    world.write("a", b"....");
    let mut file = fs::File::options().write(true).open(world.root.join("a")).unwrap();
    for n in 0..500u32 {
        file.rewind().unwrap();
        file.write_all(&n.to_le_bytes()).unwrap();
        let stat = world.store.stat("a").await.unwrap();
        assert_eq!(stat.version, Version::of_content(&n.to_le_bytes()), "write {n}");
    }
}

#[tokio::test]
async fn what_is_gone_is_gone_however_it_went() {
    type Way = fn(&World);
    let gone = Err(Error::NotFound);
    let cases: [(&str, Way, Result<Stat, Error>); 10] = [
        ("removed", |w| fs::remove_file(w.root.join("d/a.jpg")).unwrap(), gone.clone()),
        ("renamed", |w| fs::rename(w.root.join("d/a.jpg"), w.root.join("d/b.jpg")).unwrap(), gone.clone()),
        ("moved out", |w| fs::rename(w.root.join("d/a.jpg"), w.outside.join("a.jpg")).unwrap(), gone.clone()),
        ("folder removed", |w| fs::remove_dir_all(w.root.join("d")).unwrap(), gone.clone()),
        ("folder renamed", |w| fs::rename(w.root.join("d"), w.root.join("e")).unwrap(), gone.clone()),
        (
            "a file where the folder was",
            |w| {
                fs::remove_dir_all(w.root.join("d")).unwrap();
                fs::write(w.root.join("d"), b"x").unwrap();
            },
            gone,
        ),
        (
            "a link in its place, to the same file",
            |w| {
                fs::rename(w.root.join("d/a.jpg"), w.root.join("d/b.jpg")).unwrap();
                symlink("b.jpg", w.root.join("d/a.jpg")).unwrap();
            },
            refused(Refusal::Symlink),
        ),
        (
            "a link in its folder's place, to the same folder",
            |w| {
                fs::rename(w.root.join("d"), w.outside.join("d")).unwrap();
                symlink(w.outside.join("d"), w.root.join("d")).unwrap();
            },
            refused(Refusal::Symlink),
        ),
        (
            "a folder in its place",
            |w| {
                fs::remove_file(w.root.join("d/a.jpg")).unwrap();
                fs::create_dir(w.root.join("d/a.jpg")).unwrap();
            },
            refused(Refusal::NotAFile),
        ),
        (
            "a pipe in its place",
            |w| {
                fs::remove_file(w.root.join("d/a.jpg")).unwrap();
                let (mode, pipe) = (rustix::fs::Mode::RWXU, rustix::fs::FileType::Fifo);
                rustix::fs::mknodat(rustix::fs::CWD, w.root.join("d/a.jpg"), pipe, mode, 0).unwrap();
            },
            refused(Refusal::NotAFile),
        ),
    ];
    for (how, go, expected) in cases {
        let world = world();
        world.write("d/a.jpg", b"one");
        world.remember("d/a.jpg").await;
        go(&world);
        assert_eq!(world.store.stat("d/a.jpg").await, expected, "{how}");
        assert_eq!(world.store.get("d/a.jpg", 9).await.map(|object| object.stat), expected, "{how}");
    }
}

#[tokio::test]
async fn nothing_is_proven_below_another_root() {
    type Way = fn(&World);
    let cases: [(&str, Way); 4] = [
        ("removed", |w| fs::remove_dir_all(&w.root).unwrap()),
        ("moved away", |w| fs::rename(&w.root, w.outside.join("old")).unwrap()),
        ("an empty one in its place", |w| {
            fs::rename(&w.root, w.outside.join("old")).unwrap();
            fs::create_dir(&w.root).unwrap();
        }),
        ("removed and made again", |w| {
            fs::remove_dir_all(&w.root).unwrap();
            fs::create_dir(&w.root).unwrap();
            w.write("a.jpg", b"one");
        }),
    ];
    for (how, go) in cases {
        let world = world();
        world.write("a.jpg", b"one");
        world.remember("a.jpg").await;
        go(&world);
        let unprovable = Error::Unprovable(Unprovable::RootChanged);
        for key in ["a.jpg", "never.jpg", "never/there.jpg"] {
            assert_eq!(world.store.stat(key).await, Err(unprovable.clone()), "{how}: {key}");
            assert_eq!(world.store.get(key, 9).await, Err(unprovable.clone()), "{how}: {key}");
        }
        for prefix in ["", "never/"] {
            assert_eq!(world.store.list(prefix, None, 9).await, Err(unprovable.clone()), "{how}");
        }
    }
}

#[tokio::test]
async fn nothing_outside_and_nothing_hidden_is_read() {
    let world = world();
    fs::write(world.outside.join("secret"), b"secret").unwrap();
    world.write(".hidden", b"x");
    world.write(".git/config", b"x");
    world.write("a/.b/c", b"x");
    symlink(world.outside.join("secret"), world.root.join("absolute")).unwrap();
    symlink("../outside", world.root.join("folder")).unwrap();
    symlink("a", world.root.join("inside")).unwrap();
    let long = "n".repeat(256);
    let cases = [
        ("../outside/secret", Refusal::NotAKey),
        ("a/../../outside/secret", Refusal::NotAKey),
        ("/etc/passwd", Refusal::NotAKey),
        ("a/-/x", Refusal::NotAKey),
        ("absolute", Refusal::Symlink),
        ("folder/secret", Refusal::Symlink),
        ("inside/x", Refusal::Symlink),
        (".hidden", Refusal::Hidden),
        (".git/config", Refusal::Hidden),
        ("a/.b/c", Refusal::Hidden),
        ("a", Refusal::NotAFile),
        (long.as_str(), Refusal::KeyTooLong),
    ];
    for (key, why) in cases {
        assert_eq!(world.store.stat(key).await, refused(why), "{key}");
        assert_eq!(world.store.get(key, 9).await, refused(why), "{key}");
    }
    // Dots, slashes and separators in other disguises are ordinary names that are not there.
    for key in ["..%2foutside%2fsecret", "..\\outside\\secret", "．．/outside", "..;/outside/secret", "..\u{2215}x"] {
        let answer = world.store.get(key, 9).await.unwrap_err();
        assert!(matches!(answer, Error::NotFound | Error::Refused { why: Refusal::Hidden }), "{key}: {answer:?}");
    }
    let open = Config { allow_hidden: true, ..Config::default() };
    let store = Originals::open(&world.root, open, world.clock.clone()).unwrap();
    assert_eq!(store.get(".git/config", 9).await.unwrap().body, &b"x"[..]);
}

#[tokio::test]
async fn bytes_are_bounded_exactly() {
    let world = world_with(Config { bytes_max: 4, ..Config::default() });
    world.write("at", b"four");
    world.write("past", b"fiver");
    assert!(world.store.get("at", 4).await.is_ok());
    assert_eq!(world.store.get("at", 3).await, Err(Error::TooLarge { bytes: 4, max: 3 }));
    assert_eq!(world.store.get("past", u64::MAX).await, Err(Error::TooLarge { bytes: 5, max: 4 }));
    assert_eq!(world.store.get("past", 2).await, Err(Error::TooLarge { bytes: 5, max: 2 }));
    // It is there, and no version of a smaller one is.
    let large = world.store.stat("past").await.unwrap();
    assert_eq!(large.bytes, 5);
    assert_ne!(large.version, Version::of_content(b"fiver"));
    world.write("past", b"other");
    assert_ne!(world.store.stat("past").await.unwrap().version, large.version);
}

#[tokio::test]
async fn what_may_not_be_read_proves_nothing() {
    let world = world();
    world.write("a.jpg", b"one");
    world.write("shut/b.jpg", b"two");
    world.remember("a.jpg").await;
    let mode = |path: &str, mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(world.root.join(path), permissions).unwrap();
    };
    mode("a.jpg", 0);
    mode("shut", 0);
    if fs::read(world.root.join("a.jpg")).is_ok() {
        eprintln!("SKIPPED what_may_not_be_read_proves_nothing: root may read everything");
    } else {
        let unprovable = Error::Unprovable(Unprovable::Refused);
        for key in ["a.jpg", "shut/b.jpg", "shut/never.jpg"] {
            assert_eq!(world.store.stat(key).await, Err(unprovable.clone()), "{key}");
        }
        assert_eq!(world.store.list("", None, 9).await, Err(unprovable), "a folder that is shut fails the listing");
    }
    mode("shut", 0o700);
}

#[tokio::test]
async fn errors_of_the_machine_are_told_apart() {
    use rustix::io::Errno;
    let world = world();
    let unprovable = |why| Error::Unprovable(why);
    for (errno, expected) in [
        (Errno::NOENT, Error::NotFound),
        (Errno::NOTDIR, Error::NotFound),
        (Errno::LOOP, Error::Refused { why: Refusal::Symlink }),
        (Errno::XDEV, Error::Refused { why: Refusal::Symlink }),
        (Errno::NXIO, Error::Refused { why: Refusal::NotAFile }),
        (Errno::NAMETOOLONG, Error::Refused { why: Refusal::KeyTooLong }),
        (Errno::ACCESS, unprovable(Unprovable::Refused)),
        (Errno::PERM, unprovable(Unprovable::Refused)),
        (Errno::IO, unprovable(Unprovable::Unreachable)),
        (Errno::STALE, unprovable(Unprovable::Unreachable)),
        (Errno::TIMEDOUT, unprovable(Unprovable::Unreachable)),
        (Errno::NOTCONN, unprovable(Unprovable::Unreachable)),
    ] {
        assert_eq!(world.store.inner.explain("k", errno), expected, "{errno:?}");
    }
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR, Errno::AGAIN, Errno::INVAL] {
        let explained = world.store.inner.explain("k", errno);
        assert!(matches!(explained, Error::Unprovable(Unprovable::Other(_))), "{errno:?}");
    }
}

#[tokio::test]
async fn listings_pass_over_what_is_no_original_and_say_so() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = world();
    world.write("a/b.jpg", b"x");
    world.write("c.jpg", b"yy");
    world.write(".hidden/x", b"x");
    world.write("a/-/x", b"x");
    world.write("line\nbreak", b"x");
    fs::write(world.root.join(std::ffi::OsStr::from_bytes(b"latin-\xe9.jpg")), b"x").unwrap();
    symlink("c.jpg", world.root.join("link.jpg")).unwrap();
    symlink("a", world.root.join("loop")).unwrap();
    symlink("..", world.root.join("a/up")).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, world.root.join("pipe"), pipe, rustix::fs::Mode::RWXU, 0).unwrap();
    for limit in [100, 1] {
        let before = world.store.skipped();
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = world.store.list("", after.as_deref(), limit).await.unwrap();
            found.extend(page.entries.into_iter().map(|entry| (entry.key, entry.bytes)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, [("a/b.jpg".to_owned(), 1), ("c.jpg".to_owned(), 2)]);
        let skipped = world.store.skipped();
        assert_eq!(skipped.not_utf8 - before.not_utf8, 1);
        assert_eq!(skipped.not_keys - before.not_keys, 2);
        assert_eq!(skipped.hidden - before.hidden, 1);
        assert_eq!(skipped.symlinks - before.symlinks, 3);
        assert_eq!(skipped.not_files - before.not_files, 1);
    }
    for prefix in ["loop/", "a/up/", ".hidden/", "a/-/", "../outside"] {
        assert_eq!(world.store.list(prefix, None, 9).await.unwrap(), Page::default(), "{prefix}");
    }
}

#[test]
fn only_a_directory_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"x").unwrap();
    for path in ["missing", "file"] {
        let opened = Originals::open(&dir.path().join(path), Config::default(), Arc::new(Moved::default()));
        assert!(matches!(opened.err(), Some(Error::Io { why }) if why.contains(path)), "{path}");
    }
}
