//! Two edges over one origin: each is told by itself, and from its 201 on it has forgotten.

use afterimage_testkit::Server;

use crate::cloudfront::access_key;
use crate::origin::Origin;
use crate::race;

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// An edge that makes pictures of the origin's and passes the rest through. Its window is long: nothing but the fence
/// makes it forget.
pub fn edge(origin: &Origin) -> Server {
    let base = &origin.upstream.base;
    let pass = format!("pass.origin={base}/");
    let key = access_key();
    let settings = [&pass, "origin.allow=127.0.0.0/8", &key, "source.window=10m", "invalidation.wildcards_max=3000"];
    let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    Server::of_url(BINARY, &format!("{base}/pictures/"), &arguments)
}

#[test]
fn no_edge_serves_what_it_was_told_to_forget_during_a_slow_fill() {
    let origin = Origin::start();
    let edges = [edge(&origin), edge(&origin)];
    race::play("beside one another", &origin, [&edges[0], &edges[1]], false);
}
