//! Carrying a plan out: races, refusals, servers that heed no conditions, and processes that die.

use std::sync::Arc;
use std::time::Duration;

use afterimage_adopt::{Error, Options, Outcome, Plan, carry_out};

use crate::place::{Memory, THEIRS, Thing, picture, plan_of};

struct Made {
    place: Arc<Memory>,
    plan: Plan,
    dir: tempfile::TempDir,
}

/// Ten originals in three sizes each.
async fn made() -> Made {
    let place = Arc::new(Memory::default());
    for number in 0..10 {
        let key = format!("i/{number}.png");
        place.put(&key, picture(640), "image/png", None);
        for side in [100, 200, 300] {
            place.ask(&key, side, false).unwrap();
        }
    }
    let plan = plan_of(&place, false).await;
    Made { place, plan, dir: tempfile::tempdir().unwrap() }
}

impl Made {
    async fn carry_out(&self, options: Options) -> Result<Outcome, Error> {
        let results = self.dir.path().join("results");
        carry_out(&self.plan, "digest", self.place.clone(), &results, options, &|_, _| {}).await
    }

    fn results(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("results")).unwrap()
    }
}

#[tokio::test]
async fn what_is_overwritten_after_the_plan_stays() {
    let made = made().await;
    // One before, one with the very same bytes, one in the last moment, one gone.
    made.place.put("i/100x100/png/0.png", picture(7), "image/png", None);
    made.place.put("i/100x100/png/1.png", picture(100), "image/png", Some(THEIRS));
    let mut thing: Thing = made.place.inside().things["i/100x100/png/2.png"].clone();
    thing.body = picture(7);
    made.place.inside().races.insert("i/100x100/png/2.png".into(), thing);
    made.place.inside().things.remove("i/100x100/png/3.png");
    let outcome = made.carry_out(Options::default()).await.unwrap();
    assert_eq!((outcome.doomed, outcome.deleted, outcome.gone, outcome.changed), (30, 26, 1, 3), "{outcome:?}");
    assert!(!outcome.is_complete());
    assert_eq!(outcome.left.len(), 3);
    for number in 0..3 {
        assert!(made.place.inside().things.contains_key(&format!("i/100x100/png/{number}.png")));
    }
    assert_eq!(made.results().lines().filter(|line| line.contains("\"changed\"")).count(), 3);
    // Tried again: they are still not what was confirmed.
    let again = made.carry_out(Options::default()).await.unwrap();
    assert_eq!((again.before, again.deleted, again.changed), (27, 0, 3));
}

#[tokio::test]
async fn a_killed_process_is_gone_on_from() {
    let made = made().await;
    made.place.inside().dies_after = Some(11);
    let cut = tokio::time::timeout(Duration::from_millis(300), made.carry_out(Options::default())).await;
    assert!(cut.is_err(), "it hangs where it is to die");
    made.place.inside().dies_after = None;
    let outcome = made.carry_out(Options::default()).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(made.place.inside().removals, 30, "each once");
    assert_eq!(made.place.keys().len(), 10);
    let again = made.carry_out(Options::default()).await.unwrap();
    assert_eq!((again.before, again.deleted + again.gone), (30, 0), "what is done is done");
}

#[tokio::test]
async fn refusals_are_told_and_end_it() {
    let made = made().await;
    made.place.inside().refuses = true;
    let refused = made.carry_out(Options::default()).await.unwrap_err().to_string();
    assert!(refused.contains("AccessDenied") && refused.contains("--profile"), "{refused}");
    assert_eq!(made.results().lines().filter(|line| line.contains("\"refused\"")).count(), 30);
    assert_eq!(made.place.keys().len(), 40);
    made.place.inside().refuses = false;
    assert!(made.carry_out(Options::default()).await.unwrap().is_complete(), "a refusal is not final");
}

#[tokio::test]
async fn a_server_that_heeds_no_conditions_is_found_out_with_one_thing() {
    let made = made().await;
    made.place.inside().heeds_nothing = true;
    let stopped = made.carry_out(Options::default()).await.unwrap_err().to_string();
    assert!(stopped.contains("--unconditional") && stopped.contains("i/100x100/png/0.png"), "{stopped}");
    assert_eq!(made.place.keys().len(), 39, "one, which was to go");
    let outcome = made.carry_out(Options { unconditional: true }).await.unwrap();
    assert_eq!((outcome.before, outcome.deleted), (1, 29));
    assert!(outcome.is_complete());
}
