//! What every place of records promises. An emulator that passes says nothing of what a real bucket does under contention.

use std::sync::Arc;

use afterimage_identity::{Keep, KeepError, Put};

use super::NAME_BYTES_MAX;

async fn names(keep: &dyn Keep, beginning: &str) -> Vec<String> {
    keep.names(beginning, 1_000).await.expect("names can be listed")
}

/// Puts an empty place to the promises of [`Keep`], and leaves it empty.
pub async fn check(keep: Arc<dyn Keep>) {
    records(&*keep).await;
    refused(&*keep).await;
    one_of_many(keep.clone()).await;
    let all = names(&*keep, "").await;
    keep.remove(&all).await.expect("what is there can be removed");
    assert_eq!(names(&*keep, "").await, [""; 0]);
}

async fn records(keep: &dyn Keep) {
    assert_eq!(names(keep, "").await, [""; 0]);
    assert_eq!(keep.read("a").await, Ok(None));
    keep.remove(&["a".to_owned()]).await.expect("what is not there is removed");
    keep.write("a", b"one", Put::New).await.expect("nobody has it");
    assert_eq!(keep.write("a", b"two", Put::New).await, Err(KeepError::Taken));
    assert_eq!(keep.read("a").await, Ok(Some(b"one".to_vec())));
    keep.write("a", b"one", Put::New).await.expect("the same bytes are the same call");
    keep.write("a", b"three", Put::Any).await.expect("it replaces");
    assert_eq!(keep.read("a").await, Ok(Some(b"three".to_vec())));
    for name in ["b.json", "b/2", "b/10", "c/d-e_f/1", "B"] {
        keep.write(name, name.as_bytes(), Put::Any).await.expect("it is written where nothing was");
    }
    keep.write("empty", b"", Put::New).await.expect("it may be empty");
    assert_eq!(keep.read("empty").await, Ok(Some(Vec::new())));
    assert_eq!(names(keep, "").await, ["B", "a", "b.json", "b/10", "b/2", "c/d-e_f/1", "empty"], "in byte order");
    assert_eq!(names(keep, "b").await, ["b.json", "b/10", "b/2"]);
    assert_eq!(names(keep, "b/").await, ["b/10", "b/2"]);
    assert_eq!(keep.names("b", 2).await.expect("names can be listed"), ["b.json", "b/10"]);
    keep.remove(&["b/2".to_owned(), "nothing".to_owned(), "a".to_owned()]).await.expect("they go");
    assert_eq!(names(keep, "b/").await, ["b/10"]);
    assert_eq!(keep.read("a").await, Ok(None));
    keep.write("a", b"two", Put::New).await.expect("the name is free again");
}

async fn refused(keep: &dyn Keep) {
    let long = "n".repeat(NAME_BYTES_MAX);
    keep.write(&long[..200], b"", Put::Any).await.expect("a long name");
    for name in ["", "/", "/a", "a/", "a//b", "../a", ".", "-", "a/-/b", "a b", "é", "a.new", &format!("{long}n")] {
        assert!(matches!(keep.write(name, b"x", Put::Any).await, Err(KeepError::Failed { .. })), "{name}");
    }
}

/// Of all who try a name that is free, one succeeds, and it is theirs that is there.
async fn one_of_many(keep: Arc<dyn Keep>) {
    for round in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let keep = keep.clone();
            tasks.spawn(async move {
                let bytes = format!("{task}").into_bytes();
                (keep.write(&format!("many/{round}"), &bytes, Put::New).await, bytes)
            });
        }
        let (won, lost): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(|(wrote, _)| wrote.is_ok());
        assert_eq!(won.len(), 1, "one succeeds");
        assert!(lost.iter().all(|(wrote, _)| *wrote == Err(KeepError::Taken)), "the others are told: {lost:?}");
        assert_eq!(keep.read(&format!("many/{round}")).await, Ok(Some(won[0].1.clone())));
    }
}
