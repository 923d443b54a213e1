use afterimage_identity::{CacheTag, Original, OriginalKey, SourceId};
use afterimage_variant::derivative_prefix;
use proptest::prelude::*;

use super::*;

fn original(key: &str) -> Original {
    Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
}

/// As the write story says it.
fn about(keys: &[&str]) -> Invalidation {
    let originals: Vec<Original> = keys.iter().map(|key| original(key)).collect();
    Invalidation {
        reference: "main-1-1".into(),
        tag: if let [only] = &originals[..] { Some(only.tag()) } else { None },
        paths: originals.iter().map(|original| format!("/{}", original.key.escaped())).collect(),
        prefixes: originals.iter().map(|original| format!("/{}", derivative_prefix(&original.key))).collect(),
        originals,
    }
}

fn folder(prefixes: &[&str], tag: Option<CacheTag>) -> Invalidation {
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    Invalidation { reference: "main-1-1".into(), originals: Vec::new(), tag, paths: Vec::new(), prefixes }
}

fn texts(what: &Invalidation, by: By) -> Vec<String> {
    items(what, by, 4000).iter().map(Item::text).collect()
}

#[test]
fn by_tag_each_original_and_each_folder_is_one_item() {
    let tag = |key: &str| format!("#{}", original(key).tag());
    assert_eq!(texts(&about(&["p/a b~.jpg"]), By::Tags), [tag("p/a b~.jpg")]);
    let mut both = [tag("a"), tag("b")];
    both.sort();
    assert_eq!(texts(&about(&["a", "b"]), By::Tags), both);
    let users = CacheTag::folder(&SourceId::default(), "users/123/");
    assert_eq!(texts(&folder(&["/users/123/", "/=."], Some(users.clone())), By::Tags), [format!("#{users}")]);
    assert_eq!(texts(&folder(&["/users/12", "/=."], None), By::Tags), ["/=.*", "/users/12*"]);
}

#[test]
fn by_tag_where_originals_have_none_their_paths_are_named_too() {
    let tag = |key: &str| format!("#{}", original(key).tag());
    for (key, path) in
        [("p/a-1_b.jpg", "/p/a-1_b.jpg"), ("p/a b.jpg", "/p/a*"), ("p/~/b", "/p/*"), ("p/é.jpg", "/p/*"), ("+a", "/*")]
    {
        assert_eq!(texts(&about(&[key]), By::TagsAndOriginals), [tag(key), path.to_owned()], "{key}");
    }
    let users = CacheTag::folder(&SourceId::default(), "users/123/");
    let folder = folder(&["/users/123/", "/=."], Some(users.clone()));
    assert_eq!(texts(&folder, By::TagsAndOriginals), [format!("#{users}"), "/=.*".into(), "/users/123/*".into()]);
}

#[test]
fn by_path_an_original_is_its_bare_path_and_one_wildcard() {
    for (key, expected) in [
        ("p/a.jpg", &["/p/a.jpg", "/p/a.jpg/-/*"][..]),
        // Both spellings, where they differ.
        ("p/a b.jpg", &["/p/a%20b.jpg", "/p/a=20b.jpg", "/p/a=20b.jpg/-/*"]),
        ("é.jpg", &["/%C3%A9.jpg", "/=C3=A9.jpg", "/=C3=A9.jpg/-/*"]),
        ("a(1)+b,c.jpg", &["/a(1)+b,c.jpg", "/a=281=29=2Bb=2Cc.jpg", "/a=281=29=2Bb=2Cc.jpg/-/*"]),
        // What cannot be said is cut off before it.
        ("p/a~b.jpg", &["/p/a=7Eb.jpg", "/p/a=7Eb.jpg/-/*", "/p/a*"]),
        ("p/a*b.jpg", &["/p/a=2Ab.jpg", "/p/a=2Ab.jpg/-/*", "/p/a*"]),
        ("p/100%.jpg", &["/p/100%25.jpg", "/p/100=25.jpg", "/p/100=25.jpg/-/*"]),
    ] {
        let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        // Wildcards cover what begins like them.
        if expected.contains(&"/p/a*".to_owned()) {
            expected = vec!["/p/a*".to_owned()];
        }
        assert_eq!(texts(&about(&[key]), By::Paths), expected, "{key}");
    }
}

#[test]
fn by_wildcard_queries_are_covered_too() {
    assert_eq!(texts(&about(&["p/a.jpg"]), By::Wildcards), ["/p/a.jpg*"]);
    assert_eq!(texts(&about(&["p/a b.jpg"]), By::Wildcards), ["/p/a%20b.jpg*", "/p/a=20b.jpg*"]);
    assert_eq!(texts(&about(&["~a.jpg"]), By::Wildcards), ["/*"]);
}

#[test]
fn folders_and_everything_are_beginnings() {
    for by in [By::Tags, By::TagsAndOriginals, By::Paths, By::Wildcards] {
        assert_eq!(texts(&folder(&["/"], None), by), ["/*"], "{by:?}");
        assert_eq!(texts(&folder(&["/a=20b/", "/=."], None), by), ["/=.*", "/a%20b/*", "/a=20b/*"], "{by:?}");
        // The viewer's spelling of a digest is unknown.
        assert_eq!(texts(&folder(&["/=."], None), by), ["/*"], "{by:?}");
        assert!(texts(&folder(&[], None), by).is_empty(), "nothing to say");
    }
}

#[test]
fn items_at_the_longest_and_past_it() {
    let path = |length: usize| Item::Path(format!("/{}", "a".repeat(length - 1)));
    assert_eq!(short(path(4000), 4000), path(4000));
    let Item::Wildcard(cut) = short(path(4001), 4000) else { panic!("a path past the bound") };
    assert_eq!(cut.len(), 3999);
    let encoded = Item::Path(format!("/{}", "%C3%A9".repeat(1000)));
    let Item::Wildcard(cut) = short(encoded.clone(), 4000) else { panic!("a path past the bound") };
    assert!(encoded.text().starts_with(&cut) && cut.len() >= 3996);
    assert!(cut[cut.len() - 3..].starts_with('%'), "{}", &cut[cut.len() - 6..]);
}

#[test]
fn the_folder_above() {
    for (beginning, levels, folder) in [
        ("/p/q/a.jpg/-/", 1, Some("/p/q/")),
        ("/p/q/a.jpg/-/", 2, Some("/p/")),
        ("/p/q/a.jpg/-/", 3, None),
        ("/p/q/a.jpg", 1, Some("/p/q/")),
        ("/a.jpg/-/", 1, None),
        ("/p/q/", 1, Some("/p/")),
    ] {
        assert_eq!(folder_above(beginning, levels).as_deref(), folder, "{beginning} {levels}");
    }
}

proptest! {
    /// Whatever lies under the canonical path, or under what a viewer writes, is covered.
    #[test]
    fn every_way_covers_the_original(key in "[a-c é~*%+/.]{1,24}", others in prop::collection::vec("[a-c/]{1,6}", 0..6)) {
        let Ok(checked) = OriginalKey::new(&key) else { return Ok(()) };
        let keys: Vec<&str> = std::iter::once(key.as_str())
            .chain(others.iter().map(String::as_str).filter(|key| OriginalKey::new(key).is_ok()))
            .collect();
        let what = about(&keys);
        for by in [By::Paths, By::Wildcards] {
            let items = items(&what, by, 4000);
            let covered = |path: &str| items.iter().any(|item| item.covers(&Item::Path(path.to_owned())));
            let bare = format!("/{}", checked.escaped());
            prop_assert!(covered(&bare));
            let canonical = format!("/{}w100.webp", derivative_prefix(&checked));
            prop_assert!(covered(&canonical));
            // No item is covered by another.
            for (at, item) in items.iter().enumerate() {
                prop_assert!(!items.iter().enumerate().any(|(other, wide)| other != at && wide.covers(item)));
            }
        }
        let tags = items(&what, By::Tags, 4000);
        prop_assert!(tags.contains(&Item::Tag(original(&key).tag().as_str().to_owned())));
    }
}
