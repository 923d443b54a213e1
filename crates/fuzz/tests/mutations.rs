//! Every target over its seeds and over mutations of them from one seed. Short by default; with `AFTERIMAGE_LONG=1` a million damaged
//! JPEG files, targets and events, and two hundred thousand pictures.

use std::panic::{AssertUnwindSafe, catch_unwind};

use afterimage_fuzz::{Chance, TARGETS, Target, jpeg, sample};

fn is_long() -> bool {
    std::env::var_os("AFTERIMAGE_LONG").is_some_and(|value| value == "1")
}

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).expect("a target")
}

fn chance() -> Chance {
    let seed = std::env::var("AFTERIMAGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
    println!("AFTERIMAGE_SEED={seed}");
    Chance(seed)
}

/// Runs mutations and says how many got past the first look.
fn attack(target: &Target, seeds: &[Vec<u8>], rounds: usize, chance: &mut Chance) -> usize {
    let mut reached = 0;
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        target.manner.mutate(&mut bytes, chance);
        let how = chance.next_u64() as u8;
        match catch_unwind(AssertUnwindSafe(|| (target.run)(how, &bytes))) {
            Ok(got_past) => reached += usize::from(got_past),
            Err(_) => {
                let path = std::env::temp_dir().join(format!("afterimage-{}-{round}", target.name));
                bytes.push(how);
                std::fs::write(&path, &bytes).expect("writes the case down");
                panic!("round {round} of {} panicked; the input is in {}", target.name, path.display());
            }
        }
    }
    reached
}

/// Seeds get past the first look, and of so many mutations at least one in `of` does: what is refused at once tests little.
fn check(name: &str, rounds: usize, of: usize) {
    let target = target(name);
    let seeds = (target.seeds)();
    let is_taken = |seed: &&Vec<u8>| (0..=u8::MAX).any(|how| (target.run)(how, seed));
    let refused: Vec<_> =
        seeds.iter().filter(|seed| !is_taken(seed)).map(|seed| String::from_utf8_lossy(seed)).collect();
    assert!(refused.is_empty(), "seeds of {name} that are refused at once: {refused:?}");
    let reached = attack(&target, &seeds, rounds, &mut chance());
    assert!(reached > rounds / of, "only {reached} of {rounds} mutations got past the first look");
}

#[test]
fn no_damaged_jpeg_breaks_the_decoder() {
    let (small, large) = if is_long() { (980_000, 20_000) } else { (20_000, 200) };
    check("jpeg", small, 4);
    // Longer than the decoder holds at once.
    attack(&target("jpeg"), &jpeg::seeds(300, 200, 99), large, &mut chance());
}

#[test]
fn no_damaged_picture_breaks_a_render() {
    check("picture", if is_long() { 200_000 } else { 3_000 }, 4);
}

/// The same on whole samples, where decoders run their longest paths; few rounds, because each takes tens of milliseconds.
#[test]
fn no_damaged_sample_breaks_a_render() {
    let picture = target("picture");
    let mut chance = chance();
    for entry in std::fs::read_dir(afterimage_fuzz::pictures()).expect("the samples") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name != "README.md" {
            attack(&picture, &[sample(&name)], if is_long() { 200 } else { 2 }, &mut chance);
        }
    }
}

#[test]
fn no_damaged_target_is_misunderstood() {
    check("request", if is_long() { 1_000_000 } else { 20_000 }, 8);
}

#[test]
fn no_damaged_event_is_misunderstood() {
    check("event", if is_long() { 1_000_000 } else { 20_000 }, 16);
}

#[test]
fn no_damaged_invalidation_is_misunderstood() {
    // Nearly everything breaks XML.
    check("invalidation", if is_long() { 200_000 } else { 5_000 }, 100);
}

/// The tests above would see it.
#[test]
fn a_broken_promise_is_caught_and_its_input_kept() {
    let broken = Target {
        name: "broken",
        run: |_, bytes| {
            assert!(bytes.len() < 8, "a promise");
            true
        },
        seeds: Vec::new,
        manner: afterimage_fuzz::Manner { special: b"", end: b"0123456789", head_bytes: 0 },
    };
    let caught = catch_unwind(|| attack(&broken, &[b"seed".to_vec()], 1_000, &mut Chance(1)));
    let words = *caught.expect_err("it panics").downcast::<String>().expect("words");
    let path = words.rsplit(' ').next().expect("a path");
    let kept = std::fs::read(path).expect("the input");
    assert!(kept.len() > 8, "{words}: {kept:?}");
    std::fs::remove_file(path).expect("it goes");
}
