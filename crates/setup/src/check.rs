//! What no single setting can know: rules across settings. Every mistake at once, each with its remedy.

use std::path::Path;

use crate::{Mistake, Settings};

/// Refuses originals and derivatives that lie in each other: afterimage's own files would become originals, or a deletion
/// could reach one. Both paths have to be canonical.
pub fn overlap(originals: &Path, derivatives: &Path) -> Option<Mistake> {
    let overlaps = originals.starts_with(derivatives) || derivatives.starts_with(originals);
    overlaps.then(|| {
        let value = Some(format!("\"{}\"", derivatives.display()));
        let remedy = format!("overlaps the originals in {}; choose a directory beside them", originals.display());
        Mistake::new("derivatives.directory", value, remedy)
    })
}

/// Every mistake across settings.
pub(crate) fn check(settings: &Settings) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong = |key: &str, value: String, remedy: &str| mistakes.push(Mistake::new(key, Some(value), remedy));
    let admin = &settings.admin;
    if !admin.listen.ip().is_loopback() && admin.token.is_none() {
        wrong("admin.listen", format!("\"{}\"", admin.listen), "not loopback, so set admin.token (`afterimage keygen` makes one)");
    }
    if settings.server.listen == admin.listen && admin.listen.port() != 0 {
        wrong("admin.listen", format!("\"{}\"", admin.listen), "the same as server.listen; choose another port");
    }
    let policy = &settings.policy;
    if policy.open && !settings.server.listen.ip().is_loopback() {
        wrong("policy.open", "true".into(), "lifts the ladder, so it is for loopback only; listen on 127.0.0.1");
    }
    if settings.signing.required && settings.signing.keys.0.is_empty() {
        wrong("signing.required", "true".into(), "there is no key to sign with; add [[signing.keys]] (`afterimage keygen` makes a secret)");
    }
    if settings.http.browser_age > settings.http.shared_age && !settings.http.shared_age.is_zero() {
        wrong(
            "http.browser_age",
            format!("\"{}\"", crate::duration::display(settings.http.browser_age)),
            "longer than http.shared_age; browsers cannot be purged, so give them the shorter time",
        );
    }
    mistakes.extend(crate::rules::mistakes(settings));
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_in_each_other_are_refused() {
        for (originals, derivatives, refused) in [
            ("/p", "/p", true),
            ("/p", "/p/cache", true),
            ("/p/in", "/p", true),
            ("/p", "/pq", false),
            ("/a/p", "/a/q", false),
        ] {
            assert_eq!(overlap(Path::new(originals), Path::new(derivatives)).is_some(), refused, "{originals} {derivatives}");
        }
    }
}
