//! What becomes of a picture when its original goes: the promise, tried on the built binary from outside.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use afterimage_testkit::{Server, picture, size_of};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const SIZES: [&str; 3] = ["/museum.jpg?w=400&fm=webp", "/museum.jpg?d=100x100", "/museum.jpg?w=200"];

/// One way to take a picture away: its name, and doing it.
type Way = (&'static str, fn(&Path));

/// Everything is cached and stored before anything is taken away.
fn warm(server: &Server) {
    for target in SIZES {
        server.until(target, |answer| answer.header("cache-status").contains("memory"));
    }
    assert_eq!(server.derivatives().len(), SIZES.len());
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
    begun.elapsed()
}

fn gone_everywhere(server: &Server) {
    let begun = Instant::now();
    for target in SIZES {
        server.until(target, |answer| answer.status == 404);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    until("the derivatives are gone", || server.derivatives().is_empty());
    until("the receipt is clean", || {
        let output = server.run(&["receipts", "--json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text.contains("fenced_at_ms")
            && text.contains("\"removed_count\": 3")
            && !text.contains("\"clean_at_ms\": null")
    });
}

#[test]
fn removed_moved_or_with_its_folder_every_size_is_gone_within_a_second() {
    let takes_away: [Way; 2] = [
        ("rm", |originals| fs::remove_file(originals.join("museum.jpg")).unwrap()),
        ("mv", |originals| fs::rename(originals.join("museum.jpg"), originals.with_extension("moved")).unwrap()),
    ];
    for (how, take_away) in takes_away {
        let server = Server::start(BINARY, &["museum.jpg", "flower.jpg"], &[]);
        warm(&server);
        take_away(&server.originals);
        println!("{how}");
        gone_everywhere(&server);
    }
}

#[test]
fn a_removed_folder_takes_every_size_of_its_pictures_along() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let album = server.originals.join("album/deep");
    fs::create_dir_all(&album).unwrap();
    fs::copy(server.originals.join("museum.jpg"), album.join("a.jpg")).unwrap();
    let target = "/album/deep/a.jpg?w=200";
    server.until(target, |answer| answer.header("cache-status").contains("memory"));
    assert_eq!(server.derivatives().len(), 1);
    fs::remove_dir_all(server.originals.join("album")).unwrap();
    assert!(server.until(target, |answer| answer.status == 404) < Duration::from_secs(1));
    until("the derivative is gone", || server.derivatives().is_empty());
}

#[test]
fn overwritten_the_new_picture_is_served() {
    let replaces: [Way; 2] = [
        ("overwrite", |original| fs::write(original, picture("flower.jpg")).unwrap()),
        ("rename over", |original| {
            let temporary = original.with_file_name(".new");
            fs::write(&temporary, picture("flower.jpg")).unwrap();
            fs::rename(temporary, original).unwrap();
        }),
    ];
    for (how, replace) in replaces {
        let server = Server::start(BINARY, &["museum.jpg"], &[]);
        warm(&server);
        let old = server.get(SIZES[2]).body;
        replace(&server.originals.join("museum.jpg"));
        let took = server.until(SIZES[2], |answer| answer.status == 200 && answer.body != old);
        assert!(took < Duration::from_secs(2), "{how}: {took:?}");
        until("only derivatives of the new picture are left", || server.derivatives().len() <= 1);
    }
}

#[test]
fn a_file_of_the_same_size_and_times_is_still_another_picture() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    warm(&server);
    let old = server.get(SIZES[2]).body;
    let original = server.originals.join("museum.jpg");
    let mut bytes = fs::read(&original).unwrap();
    let modified = fs::metadata(&original).unwrap().modified().unwrap();
    // Another picture in exactly as many bytes: the flower, and what is missing as a comment behind its end.
    let length = bytes.len();
    bytes = picture("flower.jpg");
    bytes.truncate(length);
    bytes.resize(length, 0);
    let other = server.home().join("other.jpg");
    fs::write(&other, bytes).unwrap();
    fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    let status = std::process::Command::new("cp").arg("-p").arg(&other).arg(&original).status().unwrap();
    assert!(status.success());
    assert_eq!(fs::metadata(&original).unwrap().modified().unwrap(), modified);
    let took = server.until(SIZES[2], |answer| answer.body != old);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn what_changed_while_the_server_was_down_is_never_served() {
    let server = Server::start(BINARY, &["museum.jpg", "flower.jpg"], &[]);
    warm(&server);
    let old = server.get(SIZES[2]).body;
    let server =
        server.restart(true, &[], |originals| fs::write(originals.join("museum.jpg"), picture("flower.jpg")).unwrap());
    let answer = server.get(SIZES[2]);
    assert_eq!(answer.status, 200);
    assert_ne!(answer.body, old);
    until("the old derivatives are gone", || server.derivatives().iter().all(|path| !path.contains("w400")));
    let server = server.restart(true, &[], |originals| fs::remove_file(originals.join("museum.jpg")).unwrap());
    assert_eq!(server.get(SIZES[0]).status, 404);
    until("nothing is left", || server.derivatives().is_empty());
}

#[test]
fn a_picture_put_back_is_served_again() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    warm(&server);
    let original = server.originals.join("museum.jpg");
    fs::remove_file(&original).unwrap();
    server.until(SIZES[0], |answer| answer.status == 404);
    fs::write(&original, picture("museum.jpg")).unwrap();
    server.until(SIZES[0], |answer| answer.status == 200 && size_of(&answer.body) == Some(("webp", 400, 300)));
}
