//! One edge in front of the other: the inner one makes pictures and passes files through, the outer one passes everything
//! through to it and keeps what may be kept.

use afterimage_testkit::Server;

use crate::beside::edge;
use crate::cloudfront::{access_key, invalidate};
use crate::origin::{Kind, Origin};
use crate::race;

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

fn front(inner: &Server) -> Server {
    let (pass, key) = (format!("pass.origin={}/", inner.base), access_key());
    let everything = "behaviours=path=/* serves=origin";
    let settings = [&pass, "origin.allow=127.0.0.0/8", &key, everything, "invalidation.wildcards_max=3000"];
    let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    Server::start(BINARY, &[], &arguments)
}

/// From the inside out: what the outer one fetches after its fence, the inner one fetched after its own.
#[test]
fn invalidated_from_the_inside_out_neither_serves_the_old() {
    let origin = Origin::start();
    let inner = edge(&origin);
    let outer = front(&inner);
    race::play("one behind the other", &origin, [&inner, &outer], true);
}

/// The other way round it cannot hold: the outer one asks the inner one, which has not been told yet.
#[test]
fn invalidated_from_the_outside_in_the_outer_one_fills_up_with_the_old_again() {
    let origin = Origin::start();
    let inner = edge(&origin);
    let outer = front(&inner);
    for (at, kind) in [(0, Kind::Picture), (1, Kind::File)] {
        let target = kind.target(at);
        origin.put(kind, at, 1);
        // The last word in `Cache-Status` is the outer one's.
        outer.until(&target, |answer| {
            answer
                .headers
                .iter()
                .rfind(|(name, _)| name == "cache-status")
                .is_some_and(|(_, text)| text.contains("hit"))
        });
        origin.put(kind, at, 2);
        invalidate(&outer, &[&target]);
        let content = |edge: &Server| kind.content(&edge.get(&target));
        assert_eq!(content(&outer), 1, "{kind:?}: the outer one asked the inner one");
        invalidate(&inner, &[&target]);
        assert_eq!((content(&inner), content(&outer)), (2, 1), "{kind:?}: and keeps that");
        invalidate(&outer, &[&target]);
        assert_eq!(content(&outer), 2, "{kind:?}: told once more, now from the inside out, it forgets");
    }
}
