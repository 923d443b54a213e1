//! Bodies that are cut on the way are gone on with where they were cut, of the same version; nothing that is not whole, or is put
//! together from two, is ever handed out.

use std::time::{Duration, Instant};

use afterimage_identity::Unprovable;
use afterimage_store::{BucketOriginals, Error, Meta, Object, Read, Write};
use afterimage_testkit::bucket::Fault;
use bytes::Bytes;

use crate::double::Double;

const BODY: &[u8] = b"a picture";

async fn with_one_original() -> (Double, BucketOriginals) {
    let double = Double::start().await;
    double.state().write("o/a.jpg", BODY);
    let originals = double.originals("o").unwrap();
    (double, originals)
}

/// Gets it while these go wrong one after the other; what came, where ranges began, and how many answers it took.
async fn get(
    double: &Double,
    originals: &BucketOriginals,
    faults: &[Fault],
) -> (Result<Object, Error>, Vec<u64>, usize) {
    {
        let mut state = double.state();
        (state.faults, state.ranges) = (Vec::new(), Vec::new());
        state.calls.clear();
        faults.iter().for_each(|fault| state.fail("GetObject", fault.clone(), 1));
    }
    let got = originals.get("a.jpg", 100).await;
    let state = double.state();
    (got, state.ranges.clone(), state.count("GetObject"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_come_is_kept_wherever_it_is_cut() {
    let (double, originals) = with_one_original().await;
    let whole = BODY.len();
    for first in 0..whole {
        // Behind its last byte a body is whole, however the connection ends.
        for second in 0..whole - first {
            let cuts = [Fault::Cut(first), Fault::Cut(second)];
            let (got, ranges, answers) = get(&double, &originals, &cuts).await;
            assert_eq!(got.map(|object| object.body), Ok(Bytes::from_static(BODY)), "{first} {second}");
            assert_eq!(answers, 3, "{first} {second}");
            // Where nothing has come there is nothing to go on with.
            let begun = [first as u64, (first + second) as u64].into_iter().filter(|come| *come > 0);
            assert_eq!(ranges, begun.collect::<Vec<u64>>(), "{first} {second}");
        }
    }
    let (got, ranges, answers) = get(&double, &originals, &[Fault::Cut(2), Fault::Cut(2), Fault::Cut(2)]).await;
    assert_eq!((got, ranges, answers), (Err(Error::Unprovable(Unprovable::Unreachable)), vec![2, 4], 3));
    let (got, _, answers) = get(&double, &originals, &[]).await;
    assert_eq!((got.is_ok(), answers), (true, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_within_a_body_is_a_cut() {
    let (double, originals) = with_one_original().await;
    let begun = Instant::now();
    let (got, ranges, _) = get(&double, &originals, &[Fault::Stalled(4), Fault::Stalled(3)]).await;
    assert_eq!((got.unwrap().body.as_ref(), ranges), (BODY, vec![4, 7]));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    let (got, ..) = get(&double, &originals, &[Fault::Stalled(1), Fault::Stalled(1), Fault::Stalled(1)]).await;
    assert_eq!(got, Err(Error::Unprovable(Unprovable::TimedOut)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_are_never_put_together() {
    let (double, originals) = with_one_original().await;
    let other = Fault::Replaced(Some(Bytes::from_static(b"b mixture")));
    for heeds_no_condition in [false, true] {
        double.state().write("o/a.jpg", BODY);
        double.state().heeds_no_condition = heeds_no_condition;
        let (got, ranges, answers) = get(&double, &originals, &[Fault::Cut(3), other.clone()]).await;
        let object = got.unwrap();
        assert_eq!(object.body, "b mixture", "as it is now, from its beginning");
        assert_eq!(originals.stat("a.jpg").await.unwrap(), object.stat, "and says which version it is");
        assert_eq!((ranges.len(), answers), (usize::from(heeds_no_condition), 3));
    }
    double.state().heeds_no_condition = false;
    let gone = Fault::Replaced(None);
    let (got, ..) = get(&double, &originals, &[Fault::Cut(3), gone]).await;
    assert_eq!(got, Err(Error::NotFound));
    double.state().write("o/a.jpg", BODY);
    let (got, _, answers) = get(&double, &originals, &[Fault::Cut(0), Fault::Cut(3), other]).await;
    assert_eq!((got, answers), (Err(Error::Unprovable(Unprovable::Unstable)), 3), "it changes while it is read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_know_no_ranges_and_those_that_lie_are_read_from_the_beginning() {
    let (double, originals) = with_one_original().await;
    double.state().knows_no_ranges = true;
    let (got, ranges, answers) = get(&double, &originals, &[Fault::Cut(3)]).await;
    assert_eq!((got.unwrap().body.as_ref(), ranges, answers), (BODY, vec![3], 2), "its whole answer is taken");
    let (got, ..) = get(&double, &originals, &[Fault::Cut(3), Fault::Cut(5)]).await;
    assert_eq!(got.unwrap().body, BODY);
    double.state().heeds_no_condition = true;
    let other = Fault::Replaced(Some(Bytes::from_static(b"shorter")));
    let (got, ..) = get(&double, &originals, &[Fault::Cut(3), other]).await;
    assert_eq!(got.unwrap().body, "shorter", "and no conditions");
    {
        let mut state = double.state();
        (state.knows_no_ranges, state.heeds_no_condition) = (false, false);
        state.write("o/a.jpg", BODY);
    }
    let (got, ranges, answers) = get(&double, &originals, &[Fault::Cut(3), Fault::Shifted]).await;
    assert_eq!((got.unwrap().body.as_ref(), ranges, answers), (BODY, vec![3], 3), "another part than was asked for");
    // The right words, the wrong bytes.
    double.state().has_checksums = true;
    let (got, ranges, answers) = get(&double, &originals, &[Fault::Cut(3), Fault::Flipped]).await;
    assert_eq!((got.unwrap().body.as_ref(), ranges, answers), (BODY, vec![3], 3), "the bucket has a checksum");
    let (got, _, answers) = get(&double, &originals, &[Fault::Cut(3)]).await;
    assert_eq!((got.unwrap().body.as_ref(), answers), (BODY, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_grows_beyond_what_may_be_read_is_not() {
    let (double, originals) = with_one_original().await;
    double.state().fail("GetObject", Fault::Cut(3), 1);
    double.state().fail("GetObject", Fault::Replaced(Some(Bytes::from_static(b"a longer picture"))), 1);
    assert_eq!(originals.get("a.jpg", 9).await, Err(Error::TooLarge { bytes: 16, max: 9 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivatives_are_gone_on_with_too() {
    let double = Double::start().await;
    let derivatives = double.derivatives("d").unwrap();
    derivatives.put("a/-/w1", Meta::default(), Bytes::from_static(BODY)).await.unwrap();
    double.state().fail("GetObject", Fault::Cut(3), 1);
    double.state().fail("GetObject", Fault::Cut(3), 1);
    assert_eq!(derivatives.get("a/-/w1", 100).await.unwrap().body, BODY);
    assert_eq!(double.state().ranges, [3, 6]);
    // Wrong bytes are no derivative, however many answers they came in.
    double.state().fail("GetObject", Fault::Cut(3), 1);
    double.state().fail("GetObject", Fault::Flipped, 1);
    assert_eq!(derivatives.get("a/-/w1", 100).await.unwrap().body, BODY);
}
