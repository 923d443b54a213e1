//! The records of purges lie in the bucket that the CDN reads, and name keys of originals. No viewer gets at one.

use crate::writing::{World, record};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_of_a_viewer_leads_to_a_record() {
    let mut world = World::new().await;
    world.bucket.state().write("o/secret-name.png", &afterimage_testkit::one_colour(20, [1, 2, 3]));
    world.get("/secret-name.png?w=16&fm=png");
    world.bucket.state().delete_plainly("o/secret-name.png");
    world.purge(record("ObjectRemoved:Delete", "secret-name.png")).await;
    let state = world.bucket.state();
    let records: Vec<String> =
        state.objects.keys().filter_map(|key| key.strip_prefix("-/")).map(str::to_owned).collect();
    drop(state);
    assert!(records.iter().any(|name| name.starts_with("d/journal/")), "{records:?}");
    for name in records {
        for url in [
            format!("/-/{name}"),
            format!("//-/{name}"),
            format!("/./-/{name}"),
            format!("/a/../-/{name}"),
            format!("/a.png/-/../../-/{name}"),
            format!("/%2D/{name}"),
            format!("/%2d%2f{name}"),
            format!("/a%2f..%2f-/{name}"),
            format!("/-%2f{name}?w=16"),
            format!("/=2D/{name}?w=16"),
            format!("/-/{name}?w=16&fm=png"),
        ] {
            let answer = world.get(&url);
            assert!(matches!(answer.status, 400 | 404), "{url}: {}", answer.status);
            assert!(!String::from_utf8_lossy(&answer.body).contains("\"task\""), "{url}");
        }
        // Even a path that no rewriting lets through is refused by the bucket's policy, and unknown to the function.
        assert_eq!(world.cdn.ask_bucket(&format!("/-/{name}")).status, 403);
    }
}
