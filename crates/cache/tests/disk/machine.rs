//! The machine's own file system: the lock, what a dead process leaves, and whose folder it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use afterimage_cache::{Files, MachineFiles, OpenError};

#[test]
fn one_process_has_a_folder_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new/deep");
    let first = MachineFiles::open(&root).unwrap();
    let refused = MachineFiles::open(&root).unwrap_err();
    assert!(matches!(refused, OpenError::Locked(_)), "{refused}");
    assert!(refused.to_string().contains("cache.disk_directory"), "{refused}");
    drop(first);
    MachineFiles::open(&root).unwrap();
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn files_are_replaced_whole_and_left_overs_go() {
    let folder = tempfile::tempdir().unwrap();
    let files = MachineFiles::open(folder.path()).unwrap();
    assert!(files.list("ab").unwrap().is_empty());
    for durable in [false, true] {
        files.write("ab/entry", &[b"one", b"two"], durable).unwrap();
        assert_eq!(files.read("ab/entry", 4).unwrap(), (b"onet".to_vec(), 6));
        files.write("ab/entry", &[b"three"], durable).unwrap();
        assert_eq!(files.read("ab/entry", 100).unwrap(), (b"three".to_vec(), 5));
    }
    assert_eq!(files.list("ab").unwrap(), ["entry"]);
    files.write("fences", &[b"a"], true).unwrap();
    files.append("fences", b"b").unwrap();
    files.append("fences", b"c").unwrap();
    files.write("fences", &[b"x"], true).unwrap();
    files.append("fences", b"y").unwrap();
    assert_eq!(files.read("fences", 100).unwrap().0, b"xy", "it was added to what was replaced");
    files.remove("ab/entry").unwrap();
    assert_eq!(files.remove("ab/entry").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(files.read("ab/entry", 1).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    drop(files);
    // As if it had died while writing.
    fs::write(folder.path().join("tmp/17"), "half").unwrap();
    MachineFiles::open(folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = MachineFiles::open(folder.path()).unwrap();
    // A folder has the name.
    fs::create_dir_all(folder.path().join("ab/entry/full")).unwrap();
    assert!(files.write("ab/entry", &[b"body"], false).is_err());
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("holiday.jpg"), "mine").unwrap();
    let refused = MachineFiles::open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("`holiday.jpg`"), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    fs::rename(folder.path().join("holiday.jpg"), folder.path().join("lost+found")).unwrap();
    MachineFiles::open(folder.path()).unwrap();
    assert!(MachineFiles::open(&folder.path().join("lost+found")).is_err(), "a file is no folder");
}
