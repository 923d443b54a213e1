//! From an invalidation to items: pure. What comes out covers at least what went in, whichever way things are named.

use afterimage_identity::{DIGEST_BEGINNING, Invalidation, unescape};

use crate::item::Item;

/// How things are named to an outer cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By tag: one item an original.
    Tags,
    /// By tag, and bare originals by the path that they have in a bucket: for caches that read originals where their owner put them,
    /// without a tag of ours.
    TagsAndOriginals,
    /// By canonical path: for caches in which everything lies under its canonical path.
    Paths,
    /// By whatever begins with the original's path, queries included: for caches that key on what viewers write.
    Wildcards,
    /// By all of these: for somebody who makes something of his own of it.
    Everything,
}

/// The items of an invalidation, none covered by another.
pub(crate) fn items(what: &Invalidation, by: By, chars_max: usize) -> Vec<Item> {
    // Paths are named where the originals are all there is to it; prefixes alone reach beyond them.
    let exactly = !what.paths.is_empty();
    let mut items = Vec::new();
    if matches!(by, By::Tags | By::TagsAndOriginals | By::Everything) {
        match &what.tag {
            Some(tag) => items.push(Item::Tag(tag.as_str().to_owned())),
            None if exactly => items.extend(what.originals.iter().map(|of| Item::Tag(of.tag().as_str().to_owned()))),
            None => items.extend(beginnings(&what.prefixes)),
        }
    }
    match by {
        By::Tags => {}
        // A folder's tag is on nothing that its owner put there.
        By::TagsAndOriginals if what.tag.is_some() && !exactly => items.extend(beginnings(&what.prefixes)),
        By::TagsAndOriginals => items.extend(what.originals.iter().map(|original| bare(original.key.as_str()))),
        _ if !exactly => items.extend(beginnings(&what.prefixes)),
        By::Paths | By::Everything => {
            items.extend(what.paths.iter().cloned().map(Item::Path));
            items.extend(what.prefixes.iter().cloned().map(Item::Wildcard));
            items.extend(what.originals.iter().map(|original| written(original.key.as_str(), false)));
        }
        By::Wildcards => {
            items.extend(what.paths.iter().cloned().map(Item::Wildcard));
            items.extend(what.originals.iter().map(|original| written(original.key.as_str(), true)));
        }
    }
    apart(items.into_iter().map(|item| short(item, chars_max)).collect())
}

/// The beginnings of canonical paths, and of the paths that viewers write for the same.
fn beginnings(prefixes: &[String]) -> Vec<Item> {
    let mut items: Vec<Item> = prefixes.iter().cloned().map(Item::Wildcard).collect();
    let named = |prefix: &&String| **prefix != format!("/{DIGEST_BEGINNING}");
    if !prefixes.is_empty() && prefixes.iter().filter(named).count() == 0 {
        // What viewers write for it cannot be told from a digest.
        return vec![Item::Wildcard("/".to_owned())];
    }
    let keys = prefixes.iter().filter(named).filter_map(|prefix| unescape(prefix.trim_start_matches('/')));
    items.extend(keys.map(|key| written(&key, true)));
    items
}

/// The path that a viewer writes for a key. Only what CloudFront wants encoded is encoded: a path encoded further
/// matches nothing and nobody says so. `~` and `*` cannot be said at all, so there the path ends and is a wildcard.
fn written(key: &str, wildcard: bool) -> Item {
    let mut path = String::with_capacity(key.len() + 1);
    path.push('/');
    for byte in key.bytes() {
        match byte {
            b'~' | b'*' => return Item::Wildcard(path),
            // RFC 1738's unsafe characters; `?` would begin a query.
            b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                path.push_str(&format!("%{byte:02X}"));
            }
            _ if byte.is_ascii_graphic() => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    if wildcard { Item::Wildcard(path) } else { Item::Path(path) }
}

/// The path of an object in a bucket, where every byte but letters, digits and `-_.~/` is encoded. How CloudFront takes what need not
/// be, nobody says, so there the path ends and is a wildcard.
fn bare(key: &str) -> Item {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    match key.bytes().position(|byte| !plain(byte)) {
        Some(at) => Item::Wildcard(format!("/{}", &key[..at])),
        None => Item::Path(format!("/{key}")),
    }
}

/// An item that is too long becomes a wildcard that is not.
fn short(item: Item, chars_max: usize) -> Item {
    let (Item::Path(path) | Item::Wildcard(path)) = &item else { return item };
    if item.text().len() <= chars_max {
        return item;
    }
    // Nothing but ASCII is in it. An encoded byte is not cut in two.
    let cut = path.get(..chars_max.saturating_sub(1)).unwrap_or(path);
    let end = cut.len().saturating_sub(2);
    let whole = cut[end..].find(['%', '=']).map_or(cut.len(), |at| end + at);
    Item::Wildcard(cut[..whole].to_owned())
}

/// Leaves out what others cover.
fn apart(items: Vec<Item>) -> Vec<Item> {
    let mut wildcards: Vec<&Item> = items.iter().filter(|item| item.is_wildcard()).collect();
    wildcards.sort_unstable();
    wildcards.dedup();
    // Sorted, whatever covers a wildcard stands before it, and next to it but for others that it covers.
    let mut widest: Vec<Item> = Vec::new();
    for item in wildcards {
        if !widest.last().is_some_and(|last| last.covers(item)) {
            widest.push(item.clone());
        }
    }
    let covered = |item: &Item| {
        let before = widest.partition_point(|wide| match (wide, item) {
            (Item::Wildcard(wide), Item::Path(path)) => wide <= path,
            _ => false,
        });
        before > 0 && widest[before - 1].covers(item)
    };
    let mut kept: Vec<Item> = items.iter().filter(|item| !item.is_wildcard() && !covered(item)).cloned().collect();
    kept.extend(widest.iter().cloned());
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// The folder that a wildcard's original lies in, `levels` up; `None` where that would be everything.
pub(crate) fn folder_above(beginning: &str, levels: u32) -> Option<String> {
    let mut folder = beginning.strip_suffix("/-/").unwrap_or(beginning);
    for _ in 0..levels {
        let inner = folder.strip_suffix('/').unwrap_or(folder);
        folder = &inner[..=inner.rfind('/')?];
    }
    (folder.len() > 1).then(|| folder.to_owned())
}

#[cfg(test)]
mod tests;
