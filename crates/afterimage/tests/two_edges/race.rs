//! The race, whatever stands behind whatever: viewers ask the edges without a pause, the original changes at some moment of
//! their fills, each edge acknowledges an invalidation; whoever asks it from then on must not see what was before.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{ScopedJoinHandle, scope};
use std::time::Duration;

use afterimage_identity::{Original, OriginalKey, SourceId};
use afterimage_testkit::Server;

use crate::cloudfront::invalidate;
use crate::origin::{AFTER, FILL, Kind, Origin};

/// So many rounds go on at once, each about an original of its own.
const LANES: u64 = 6;
const WATCHERS: usize = 2;

/// What came of all rounds.
#[derive(Default)]
pub struct Tally {
    /// Answers to requests.
    answers: AtomicU64,
    /// Fills that were still under way when their edge acknowledged.
    raced: AtomicU64,
    /// Answers from before the change to requests from after the acknowledgement.
    stale: AtomicU64,
}

/// One edge in a round.
struct Side<'a> {
    edge: &'a Server,
    acknowledged: AtomicBool,
}

/// How many rounds a test plays: 60, or 1,000 with `AFTERIMAGE_LONG=1`.
pub fn rounds() -> u64 {
    if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1_000 } else { 60 }
}

/// Plays all rounds. `edges` are invalidated one after the other, in this order where `in_order` is set.
pub fn play(what: &str, origin: &Origin, edges: [&Server; 2], in_order: bool) {
    let (rounds, tally) = (rounds(), Tally::default());
    scope(|lanes| {
        for lane in 0..LANES {
            let tally = &tally;
            lanes.spawn(move || {
                for at in (lane..rounds).step_by(LANES as usize) {
                    let order = if in_order || at % 4 < 2 { edges } else { [edges[1], edges[0]] };
                    round(origin, order, at, tally);
                }
            });
        }
    });
    let Tally { answers, raced, stale } = &tally;
    println!(
        "{what}: {} stale of {rounds} rounds with 2 edges; {} of {} fills were overtaken, {} answers",
        stale.load(SeqCst),
        raced.load(SeqCst),
        2 * rounds,
        answers.load(SeqCst)
    );
    assert_eq!(stale.load(SeqCst), 0, "answers from before the change, after the acknowledgement");
    let raced = raced.load(SeqCst);
    assert!(raced * 2 > rounds, "only {raced} of {} fills raced: too few to show anything", 2 * rounds);
}

fn round(origin: &Origin, edges: [&Server; 2], at: u64, tally: &Tally) {
    let kind = if at.is_multiple_of(2) { Kind::Picture } else { Kind::File };
    let (old, new) = (2 * at + 1, 2 * at + 2);
    let is_replaced = !at.is_multiple_of(3);
    origin.put(kind, at, old);
    let sides = edges.map(|edge| Side { edge, acknowledged: AtomicBool::new(false) });
    let over = AtomicBool::new(false);
    scope(|viewers| {
        // They lead the fills that the change overtakes.
        let first: Vec<ScopedJoinHandle<'_, _>> =
            sides.iter().map(|side| viewers.spawn(move || ask(side, kind, at, tally))).collect();
        let watching: Vec<_> = sides
            .iter()
            .flat_map(|side| std::iter::repeat_n(side, WATCHERS))
            .map(|side| viewers.spawn(|| watch(side, kind, at, old, &over, tally)))
            .collect();
        // At some moment of the fill, of its storing, or later, by a stride that falls on all of them.
        std::thread::sleep(Duration::from_micros(at * 7919 % (2 * (FILL + AFTER)).as_micros() as u64));
        if is_replaced {
            origin.put(kind, at, new)
        } else {
            origin.delete(kind, at)
        }
        for (side, first) in sides.iter().zip(&first) {
            invalidate(side.edge, &[&item(kind, at)]);
            side.acknowledged.store(true, SeqCst);
            tally.raced.fetch_add(u64::from(!first.is_finished()), SeqCst);
        }
        for viewer in first {
            viewer.join().expect("an answer");
        }
        // Whatever the overtaken fills do at their end, they do now.
        std::thread::sleep(AFTER);
        over.store(true, SeqCst);
        for viewer in watching {
            viewer.join().expect("answers");
        }
    });
    for side in &sides {
        side.edge.until(&kind.target(at), |answer| {
            let content = (answer.status == 200).then(|| kind.content(answer));
            if content == Some(old) {
                // A late fill put it back.
                tally.stale.fetch_add(1, SeqCst);
                return true;
            }
            if is_replaced { content == Some(new) } else { answer.status == 404 }
        });
    }
}

/// The item that names it, in every way that one can.
fn item(kind: Kind, at: u64) -> String {
    let target = kind.target(at);
    let path = target.split('?').next().unwrap_or_default();
    match (at / 2 % 4, kind) {
        (0, _) => target,
        (1, _) => format!("{path}*"),
        (2, _) => format!("{path}?*"),
        (_, Kind::File) => format!("#at-{}", kind.place(at)),
        (_, Kind::Picture) => {
            let key = OriginalKey::new(&format!("{at}.png")).expect("a key");
            format!("#{}", Original::new(SourceId::default(), key).tag().as_str())
        }
    }
}

/// The content that was answered to one request, and whether it was sent after the acknowledgement.
fn ask(side: &Side<'_>, kind: Kind, at: u64, tally: &Tally) -> (Option<u64>, bool) {
    let is_late = side.acknowledged.load(SeqCst);
    let answer = side.edge.get(&kind.target(at));
    tally.answers.fetch_add(1, SeqCst);
    match answer.status {
        200 => (Some(kind.content(&answer)), is_late),
        // Gone, or overtaken once too often.
        404 | 503 => (None, is_late),
        other => panic!("{other}: {}", answer.text()),
    }
}

fn watch(side: &Side<'_>, kind: Kind, at: u64, old: u64, over: &AtomicBool, tally: &Tally) {
    while !over.load(SeqCst) {
        if ask(side, kind, at, tally) == (Some(old), true) {
            tally.stale.fetch_add(1, SeqCst);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
