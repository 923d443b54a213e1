//! Asks a store what is true of an original. It stamps the moment before the question and never turns a failure into an
//! absence: what a store cannot prove stays unproven.

use std::sync::Arc;

use afterimage_identity::{Answer, Ask, BoxFuture, Clock, OriginalKey, Proof, Unprovable};

use crate::{Error, Read, Refusal};

/// [`Ask`] over any [`Read`].
pub struct Asker {
    read: Arc<dyn Read>,
    clock: Arc<dyn Clock>,
}

impl Asker {
    /// Asks `read`, stamping with `clock`.
    pub fn new(read: Arc<dyn Read>, clock: Arc<dyn Clock>) -> Self {
        Self { read, clock }
    }
}

impl Ask for Asker {
    fn ask<'a>(&'a self, key: &'a OriginalKey) -> BoxFuture<'a, Proof> {
        Box::pin(async move {
            // Before the question, never after: the answer may be as old as the question (GUARANTEE, rule 2).
            let asked_at = self.clock.now();
            match self.read.stat(key.as_str()).await {
                Ok(stat) => Proof { asked_at: asked_at.before(stat.age), answer: Answer::Present(stat.version) },
                Err(error) => Proof { asked_at, answer: answer(error) },
            }
        })
    }
}

/// What an error proves of an original.
fn answer(error: Error) -> Answer {
    match error {
        Error::NotFound => Answer::Gone,
        // A link, a folder or a pipe where the original was proves that the original is not there any more; a name that
        // is hidden or too long for the file system was never one.
        Error::Refused { why: Refusal::Symlink | Refusal::NotAFile | Refusal::Hidden | Refusal::KeyTooLong } => {
            Answer::Gone
        }
        Error::Unprovable(why) => Answer::Unprovable(why),
        Error::Refused { why: Refusal::NotAKey | Refusal::NotListed | Refusal::MetaTooLarge } => {
            Answer::Unprovable(Unprovable::Refused)
        }
        Error::Io { .. } => Answer::Unprovable(Unprovable::Unreachable),
        other @ (Error::TooLarge { .. } | Error::Corrupt { .. } | Error::Full { .. }) => {
            Answer::Unprovable(Unprovable::Other(other.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use afterimage_identity::{ManualClock, Stamp, Version};

    use super::*;
    use crate::{Object, Page, Stat};

    /// Answers what it is told to, a second after it was asked.
    struct Fake(Arc<ManualClock>, Result<Stat, Error>);

    impl Read for Fake {
        fn stat<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
            self.0.advance(Duration::from_secs(1));
            Box::pin(async { self.1.clone() })
        }
        fn get<'a>(&'a self, _key: &'a str, _max: u64) -> BoxFuture<'a, Result<Object, Error>> {
            Box::pin(async { Err(Error::NotFound) })
        }
        fn list<'a>(&'a self, _: &'a str, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<Page, Error>> {
            Box::pin(async { Ok(Page::default()) })
        }
    }

    #[tokio::test]
    async fn only_proof_counts_as_gone_and_the_stamp_is_the_questions() {
        let refused = |why| Err(Error::Refused { why });
        let unprovable = |why: Unprovable| Answer::Unprovable(why);
        let version = Version::of_content(b"x");
        let io = Error::Io { why: "EIO".into() };
        let too_large = Error::TooLarge { bytes: 2, max: 1 };
        let cases = [
            (Ok(Stat::local(version.clone(), 1, false)), Answer::Present(version)),
            (Err(Error::NotFound), Answer::Gone),
            (refused(Refusal::Symlink), Answer::Gone),
            (refused(Refusal::NotAFile), Answer::Gone),
            (refused(Refusal::Hidden), Answer::Gone),
            (refused(Refusal::KeyTooLong), Answer::Gone),
            (refused(Refusal::NotAKey), unprovable(Unprovable::Refused)),
            (Err(Error::Unprovable(Unprovable::RootChanged)), unprovable(Unprovable::RootChanged)),
            (Err(io), unprovable(Unprovable::Unreachable)),
            (Err(too_large.clone()), unprovable(Unprovable::Other(too_large.to_string()))),
        ];
        for (result, expected) in cases {
            let clock = Arc::new(ManualClock::default());
            clock.advance(Duration::from_nanos(7));
            let asker = Asker::new(Arc::new(Fake(clock.clone(), result.clone())), clock);
            let proof = asker.ask(&OriginalKey::new("a").unwrap()).await;
            assert_eq!(proof, Proof { asked_at: Stamp(7), answer: expected }, "{result:?}");
        }
    }
}
