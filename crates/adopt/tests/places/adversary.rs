//! Generated places with originals of hostile names, derivatives of derivatives, and originals that are gone: no original is
//! ever in what goes, and everything that was made of an original that is there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use afterimage_adopt::{Behind, Do, Keys, Kind, Options, carry_out, named};
use afterimage_store::inherited::Seen;
use proptest::prelude::*;

use crate::place::{Memory, THEIRS, Thing, picture, plan_of};

const FOLDERS: [&str; 10] = [
    "",
    "i/",
    "photos/",
    "photos/100x100/",
    "100x100/",
    "photos/200x200/png/",
    "png/",
    "i/100x100/png/200x200/",
    "i/100x100/png/200x200/png/",
    "300x300/100x100/",
];
const NAMES: [&str; 7] = ["a.png", "a-200x200.png", "100x100.png", "b.c.PNG", "\u{e9} +%.png", "noext", "100x100"];
const SIDES: [u32; 5] = [7, 100, 200, 300, 640];

#[derive(Clone, Debug)]
struct World {
    /// Folder, name, side, whether written with the functions' own headers.
    originals: Vec<(usize, usize, usize, bool)>,
    /// Which of what is there, which size, which layout.
    asked: Vec<(prop::sample::Index, usize, bool)>,
    deleted: Vec<prop::sample::Index>,
}

fn worlds() -> impl Strategy<Value = World> {
    let original = (0..FOLDERS.len(), 0..NAMES.len(), 0..SIDES.len(), any::<bool>());
    let asked = (any::<prop::sample::Index>(), 1..4usize, any::<bool>());
    let lists = (
        prop::collection::vec(original, 1..10),
        prop::collection::vec(asked, 0..16),
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    );
    lists.prop_map(|(originals, asked, deleted)| World { originals, asked, deleted })
}

/// Fills a place: what is an original, and what the functions wrote.
fn fill(world: &World, place: &Memory) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut originals, mut written) = (BTreeSet::new(), BTreeSet::new());
    for (folder, name, side, theirs) in &world.originals {
        let (key, side) = (format!("{}{}", FOLDERS[*folder], NAMES[*name]), SIDES[*side]);
        // An original that is called, sized, typed and written just like a derivative is one in every respect.
        let is_alike = named(&key).is_some_and(|named| named.width == side || named.height == side);
        let cache_control = Some(THEIRS).filter(|_| *theirs && !is_alike);
        place.put(&key, picture(side), "image/png", cache_control);
        originals.insert(key);
    }
    for (which, side, is_article) in &world.asked {
        let keys = place.keys();
        written.extend(place.ask(which.get::<String>(&keys), SIDES[*side], *is_article));
    }
    for which in &world.deleted {
        if originals.is_empty() {
            break;
        }
        let key = which.get::<String>(&originals.iter().cloned().collect::<Vec<_>>()).clone();
        place.inside().things.remove(&key);
        originals.remove(&key);
    }
    (originals, written)
}

fn check(world: &World) {
    let place = Arc::new(Memory::default());
    let (originals, written) = fill(world, &place);
    let before: BTreeMap<String, Thing> = place.inside().things.clone();
    let mut keys = Keys::default();
    keys.extend(before.keys().map(|key| Seen { key: key.clone(), bytes: 1, is_hidden: false }).collect());
    let stands = |key: &String| matches!(keys.behind(key), Some(Behind::Original { .. }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    let plan = runtime.block_on(plan_of(&place, false));
    let doomed: BTreeSet<String> =
        plan.lines.iter().filter(|line| line.act == Do::Delete).map(|line| line.key.clone()).collect();
    let expected: BTreeSet<String> = written.iter().filter(|key| stands(key)).cloned().collect();
    assert_eq!(doomed.intersection(&originals).count(), 0, "an original was to go");
    assert_eq!(doomed, expected, "everything that was made of what is there, and nothing else");
    let orphans: BTreeSet<String> =
        plan.lines.iter().filter(|line| line.kind == Kind::Orphan).map(|line| line.key.clone()).collect();
    assert_eq!(orphans, &written - &expected, "what is left of originals that are gone");
    assert!(plan.lines.iter().all(|line| line.kind == Kind::Derivative || !line.why.is_empty()), "each says why");

    let all = runtime.block_on(plan_of(&place, true));
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let done = carry_out(&all, "d", place.clone(), &results, Options::default(), &|_, _| {});
    let outcome = runtime.block_on(done).unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    let left: BTreeMap<String, Thing> = before.into_iter().filter(|(key, _)| !written.contains(key)).collect();
    assert_eq!(place.inside().things, left, "nothing the functions made is left, and nothing else was touched");
    assert!(originals.iter().all(|key| left.contains_key(key)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if std::env::var_os("AFTERIMAGE_LONG").is_some() { 20_000 } else { 300 }, ..ProptestConfig::default() })]

    #[test]
    fn no_original_ever_goes_and_nothing_made_of_one_stays(world in worlds()) {
        check(&world);
    }
}

#[test]
fn originals_that_are_called_like_derivatives_stay() {
    let place = Arc::new(Memory::default());
    // Behind each of the first three stands another original; what speaks for them is what they are.
    place.put("photos/a.png", picture(640), "image/png", None);
    place.put("photos/100x100/a.png", picture(640), "image/png", Some(THEIRS));
    place.put("photos/200x200/a.png", picture(200), "image/png", None);
    place.put("photos/200x200/png/a.png", picture(200), "application/octet-stream", Some(THEIRS));
    place.put("photos/300x300/a.png", "x".repeat(430_000).into(), "image/png", Some(THEIRS));
    place.put("photos/a-200x200.png", picture(200), "image/png", Some(THEIRS));
    place.put("alone/100x100/b.png", picture(100), "image/png", Some(THEIRS));
    assert_eq!(place.ask("photos/a.png", 400, false).as_deref(), Some("photos/400x400/png/a.png"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let plan = runtime.block_on(plan_of(&place, false));
    let said: Vec<(&str, Kind, Do, String)> =
        plan.lines.iter().map(|line| (line.key.as_str(), line.kind, line.act, line.why.join("; "))).collect();
    let expected = [
        ("alone/100x100/b.png", Kind::Orphan, Do::Keep, "there is no alone/b.png"),
        ("photos/100x100/a.png", Kind::Unclear, Do::Keep, "it is 640x640 pixels, not 100x100"),
        ("photos/200x200/a.png", Kind::Unclear, Do::Keep, "its Cache-Control is none"),
        ("photos/200x200/png/a.png", Kind::Unclear, Do::Keep, "its Content-Type is application/octet-stream"),
        ("photos/300x300/a.png", Kind::Unclear, Do::Keep, "too large for 300x300 pixels"),
        ("photos/400x400/png/a.png", Kind::Derivative, Do::Delete, ""),
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for ((key, kind, act, why), (wanted, wanted_kind, wanted_act, words)) in said.iter().zip(expected) {
        assert_eq!((*key, *kind, *act), (wanted, wanted_kind, wanted_act));
        assert!(why.contains(words), "{key}: {why}");
    }
    assert_eq!((plan.header.keys, plan.header.originals, plan.header.lists, plan.header.reads), (8, 1, 3, 5));
}
