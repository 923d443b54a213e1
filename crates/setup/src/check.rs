//! What settings say together: contradictions that no single range can see. Each finding names the setting to change.

use crate::choice::OnUnprovable;
use crate::duration::display;
use crate::mistake::Mistake;
use crate::source::Placed;
use crate::table::Settings;
use crate::value::{Setting, quoted};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Shortest token that guards the operator's listener beyond loopback, in bytes.
const TOKEN_BYTES_MIN: usize = 16;

/// Every contradiction.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let mut found = crate::rules::mistakes(settings);
    found.extend(crate::imgproxy::mistakes(settings));
    listeners(settings, &mut found);
    found.extend(crate::proxies::mistakes(settings));
    tls(settings, &mut found);
    times(settings, &mut found);
    sizes(settings, &mut found);
    headers(settings, &mut found);
    found.extend(crate::source::mistakes(settings));
    found.extend(crate::events::mistakes(settings));
    if settings.derivatives.copies && settings.derivatives.url.is_none() {
        let remedy = "copies are for a CDN that reads a bucket itself; name the bucket in derivatives.url";
        found.push(Mistake::new("derivatives.copies", Some("true".into()), remedy));
    }
    if let Some(derivatives) = &settings.derivatives.directory {
        for Placed { source, .. } in settings.placed() {
            found.extend(source.directory().and_then(|originals| overlap(&lexical(originals), &lexical(derivatives))));
        }
    }
    if let Some(disk) = &settings.cache.disk_directory {
        let mounted = settings.mounts().iter().map(|mount| mount.source.clone());
        let sources: Vec<_> = settings.root_source().into_iter().chain(mounted).collect();
        let originals = sources.iter().filter_map(|source| Some(("originals", source.directory()?)));
        let derivatives = settings.derivatives.directory.as_deref().map(|folder| ("derivatives", folder));
        let others = originals.chain(derivatives);
        found.extend(others.filter_map(|(what, other)| disk_overlap(&lexical(disk), what, &lexical(other))));
    }
    found
}

fn listeners(settings: &Settings, found: &mut Vec<Mistake>) {
    let (server, admin) = (settings.server.listen, settings.admin.listen);
    if settings.policy.open && !server.ip().is_loopback() {
        let remedy = format!(
            "lifts the ladder for everybody who reaches {server}; set server.listen to 127.0.0.1:{}",
            server.port()
        );
        found.push(Mistake::new("policy.open", Some("true".into()), remedy));
    }
    if server == admin && server.port() != 0 {
        let remedy = format!(
            "is server.listen too; give the operator's listener a port of its own, such as {}",
            next_port(admin)
        );
        found.push(Mistake::new("admin.listen", Some(quoted(&admin.to_string())), remedy));
    }
    match &settings.admin.token {
        None if !admin.ip().is_loopback() => {
            let remedy = format!(
                "not on loopback, so set admin.token (`afterimage keygen` makes one), or listen on 127.0.0.1:{}",
                admin.port()
            );
            found.push(Mistake::new("admin.listen", Some(quoted(&admin.to_string())), remedy));
        }
        _ => {}
    }
    for (key, token) in [("admin.token", &settings.admin.token), ("events.token", &settings.events.token)] {
        if token.as_ref().is_some_and(|token| token.expose().len() < TOKEN_BYTES_MIN) {
            let remedy = format!("shorter than {TOKEN_BYTES_MIN} bytes; make one with `afterimage keygen`");
            found.push(Mistake::new(key, None, remedy));
        }
    }
    for host in &settings.admin.hosts {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !host.bytes().all(fits) {
            let remedy = "each is a host name without scheme, port or path, such as \"images.example.com\"";
            found.push(Mistake::new("admin.hosts", Some(quoted(host)), remedy));
        }
    }
}

/// Whether the files can be used is for whoever speaks TLS to find out.
fn tls(settings: &Settings, found: &mut Vec<Mistake>) {
    let (server, admin) = (&settings.server, &settings.admin);
    for (one, other, certificate, key) in [
        ("server.tls_certificate", "server.tls_key", &server.tls_certificate, &server.tls_key),
        ("admin.tls_certificate", "admin.tls_key", &admin.tls_certificate, &admin.tls_key),
    ] {
        let (set, path, unset) = match (certificate, key) {
            (Some(path), None) => (one, path, other),
            (None, Some(path)) => (other, path, one),
            _ => continue,
        };
        let remedy = format!("without {unset} there is no TLS; set both, or neither");
        found.push(Mistake::new(set, Some(quoted(&path.to_string_lossy())), remedy));
    }
}

fn next_port(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(8081))
}

fn times(settings: &Settings, found: &mut Vec<Mistake>) {
    let mut at_least = |key: &str, value: Duration, least_key: &str, least: Duration, why: &str| {
        if value < least {
            let remedy = format!("less than {least_key} ({}); {why}", display(least));
            found.push(Mistake::new(key, Some(quoted(&display(value))), remedy));
        }
    };
    let render = settings.render.timeout;
    at_least(
        "purge.fill_timeout",
        settings.purge.fill_timeout,
        "render.timeout",
        render,
        "a fill holds a whole render, so give it more",
    );
    if settings.asks_buckets() {
        at_least(
            "purge.fill_timeout",
            settings.purge.fill_timeout,
            "s3.total_timeout",
            settings.s3.total_timeout,
            "a fill holds a whole answer of its source, so give it more",
        );
    }
    if settings.asks_over_http() {
        at_least(
            "purge.fill_timeout",
            settings.purge.fill_timeout,
            "origin.total_timeout",
            settings.origin.total_timeout,
            "a fill holds a whole answer of its source, so give it more",
        );
    }
    at_least(
        "server.request_timeout",
        settings.server.request_timeout,
        "render.timeout",
        render,
        "a request waits for a render, so give it more",
    );
    if let OnUnprovable::ServeStale(age) = settings.source.on_unprovable {
        at_least(
            "source.on_unprovable",
            age,
            "source.window",
            settings.longest_window(),
            "within the window nothing is asked, so give it more",
        );
    }
    if settings.http.browser_age > settings.http.shared_age && !settings.http.shared_age.is_zero() {
        let remedy = "more than http.shared_age; browsers cannot be purged, so give them the shorter time";
        found.push(Mistake::new("http.browser_age", Some(quoted(&display(settings.http.browser_age))), remedy));
    }
    let whole = [
        ("http.browser_age", settings.http.browser_age),
        ("http.shared_age", settings.http.shared_age),
        ("http.error_age", settings.http.error_age),
        ("http.pending_age", settings.http.pending_age),
        ("http.cors_max_age", settings.http.cors_max_age),
    ];
    for (key, age) in whole.into_iter().filter(|(_, age)| age.subsec_nanos() != 0) {
        found.push(Mistake::new(
            key,
            Some(quoted(&display(age))),
            "HTTP counts whole seconds; write a whole number of them",
        ));
    }
}

fn sizes(settings: &Settings, found: &mut Vec<Mistake>) {
    let (cache, render, limits) = (&settings.cache, &settings.render, &settings.limits);
    if cache.item_bytes_max > cache.memory_bytes_max {
        let remedy = format!("more than cache.memory_bytes_max ({}); make it less", cache.memory_bytes_max);
        found.push(Mistake::new("cache.item_bytes_max", Some(quoted(&cache.item_bytes_max.text())), remedy));
    }
    if limits.source_bytes_max > render.memory_bytes_max {
        let remedy = format!(
            "less than limits.source_bytes_max ({}); such an original could never be made smaller",
            limits.source_bytes_max
        );
        found.push(Mistake::new("render.memory_bytes_max", Some(quoted(&render.memory_bytes_max.text())), remedy));
    }
}

fn headers(settings: &Settings, found: &mut Vec<Mistake>) {
    for (key, origins) in [
        ("http.cors_origins", &settings.http.cors_origins),
        ("http.timing_allow_origin", &settings.http.timing_allow_origin),
    ] {
        if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
            found.push(Mistake::new(key, None, "\"*\" already allows every origin; keep it alone, or leave it out"));
        }
        for origin in origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
            let remedy = "not an origin; write scheme and host without path, such as \"https://example.com\"";
            found.push(Mistake::new(key, Some(quoted(origin)), remedy));
        }
    }
}

/// The serialised form of an origin that browsers send (RFC 6454, section 6.1): lower case, no path, no trailing slash.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
    };
    rest.is_some_and(|host| !host.is_empty() && host.bytes().all(fits))
}

/// Refuses derivatives inside originals and originals inside derivatives.
///
/// Afterimage deletes in one of them and must never do so in the other. Give it canonical paths (see
/// [`canonical_path`](crate::canonical_path)): through a symbolic link two names can be one folder.
pub fn overlap(originals: &Path, derivatives: &Path) -> Option<Mistake> {
    nested("derivatives.directory", derivatives, "originals", originals)
}

/// Refuses a disk tier of the cache inside any other folder that is ours or the owner's, and the other way round. `what` names
/// the other. As for [`overlap`], give it canonical paths.
pub fn disk_overlap(disk: &Path, what: &str, other: &Path) -> Option<Mistake> {
    nested("cache.disk_directory", disk, what, other)
}

fn nested(key: &str, folder: &Path, what: &str, other: &Path) -> Option<Mistake> {
    let how = if folder == other {
        "is the folder of"
    } else if folder.starts_with(other) {
        "lies inside the"
    } else if other.starts_with(folder) {
        "contains the"
    } else {
        return None;
    };
    let remedy =
        format!("{how} {what} ({}); choose a folder apart from them, or leave it out for the default", other.display());
    Some(Mistake::new(key, Some(quoted(&folder.to_string_lossy())), remedy))
}

/// `path` without `.` and with `..` taken back, as far as text alone can say.
fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_apart_pass_and_nested_ones_do_not() {
        for (originals, derivatives, how) in [
            ("/p", "/p", Some("is the folder")),
            ("/p", "/p/.cache", Some("lies inside")),
            ("/p/a", "/p", Some("contains")),
            ("/p", "/pictures", None),
            ("/p/a", "/p/b", None),
        ] {
            let found = overlap(Path::new(originals), Path::new(derivatives));
            match how {
                Some(how) => assert!(found.unwrap().remedy.starts_with(how), "{originals} {derivatives}"),
                None => assert_eq!(found, None, "{originals} {derivatives}"),
            }
        }
        let nested = disk_overlap(Path::new("/p/cache"), "state", Path::new("/p")).unwrap();
        assert_eq!(nested.key, "cache.disk_directory");
        assert!(nested.remedy.starts_with("lies inside the state (/p)"), "{}", nested.remedy);
        assert_eq!(lexical(Path::new("./a/../b/./c")), Path::new("b/c"));
        assert_eq!(lexical(Path::new("../a")), Path::new("../a"));
    }

    #[test]
    fn origins() {
        for (text, yes) in [
            ("https://example.com", true),
            ("http://localhost:3000", true),
            ("https://[::1]:8080", true),
            ("https://example.com/", false),
            ("example.com", false),
            ("https://", false),
            ("https://Example.com", false),
            ("https://a\r\nb", false),
        ] {
            assert_eq!(is_origin(text), yes, "{text:?}");
        }
    }
}
