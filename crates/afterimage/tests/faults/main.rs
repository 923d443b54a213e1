//! The faults of the list in `docs/faults.md` that show only from outside: odd requests that should not touch the next
//! visitor, names that look like other names, crowds, and origins that cannot be reached.

mod climbing;
mod crowds;
mod names;
mod outages;
mod poisoning;

use afterimage_testkit::{Asked, Server, Step, Upstream, answer};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// Settings as arguments.
pub(crate) fn set<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

/// An edge over the pictures of an origin below `/base/`.
pub(crate) fn over(upstream: &Upstream, settings: &[&str]) -> Server {
    let url = format!("{}/base/", upstream.base);
    Server::of_url(BINARY, &url, &set(&[&["origin.allow=127.0.0.0/8"], settings].concat()))
}

/// A picture as an origin gives it.
pub(crate) fn given(asked: &Asked, etag: &str, body: &[u8]) -> Vec<Step> {
    let etag = format!("\"{etag}\"");
    let mut steps = answer(200, &[("ETag", &etag), ("Cache-Control", "max-age=60")], body);
    if asked.method == "HEAD"
        && let Some(Step::Send(bytes)) = steps.first_mut()
    {
        bytes.truncate(bytes.len() - body.len());
    }
    steps
}

/// The value of one metric.
pub(crate) fn metric(server: &Server, name: &str) -> u64 {
    let text = afterimage_testkit::get(&server.admin, "/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
}
