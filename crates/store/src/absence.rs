//! Watches whether the sources can prove absence: each is asked in the background at start, and again as it comes back after it was
//! left alone. What it comes to is said in the log and kept for metrics and readiness; what follows from it, the sources decide
//! themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterimage_identity::Absence;
use tokio::task::JoinSet;

use crate::Read;

/// The pause between two looks. A look costs the source nothing where the answer is known.
const PAUSE: Duration = Duration::from_secs(5);

/// A source that is watched.
struct Watched {
    /// The prefix it is mounted at; empty at the root.
    prefix: String,
    /// What people know it by.
    name: String,
    read: Arc<dyn Read>,
}

/// What is known of each source on another machine.
pub struct Absences {
    watched: Vec<Watched>,
    /// `None` before the first answer.
    known: Mutex<Vec<Option<Absence>>>,
}

impl Absences {
    /// Of sources with the prefixes they are mounted at and the names people know them by.
    pub fn new(sources: Vec<(String, String, Arc<dyn Read>)>) -> Arc<Self> {
        let known = Mutex::new(vec![None; sources.len()]);
        let watched = sources.into_iter().map(|(prefix, name, read)| Watched { prefix, name, read }).collect();
        Arc::new(Self { watched, known })
    }

    /// What is known, with the prefix of each source.
    pub fn known(&self) -> Vec<(String, Absence)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.iter().map(|absence| absence.unwrap_or(Absence::Unknown));
        self.watched.iter().map(|watched| watched.prefix.clone()).zip(known).collect()
    }

    /// Looks at each again and again, until it is dropped. One that does not answer holds up no other.
    pub async fn watch(self: Arc<Self>) {
        let mut each = JoinSet::new();
        for at in 0..self.watched.len() {
            let all = self.clone();
            each.spawn(async move {
                loop {
                    all.look(at).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        while each.join_next().await.is_some() {}
    }

    async fn look(&self, at: usize) {
        let now = self.watched[at].read.absence().await;
        let before = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known[at].replace(now)
        };
        if before != Some(now) {
            self.watched[at].say(now);
        }
    }
}

impl Watched {
    fn say(&self, absence: Absence) {
        let Self { prefix, name, .. } = self;
        match absence {
            Absence::Proven => {
                tracing::info!(source = name, prefix, "a source proves absence: deletions there are noticed")
            }
            Absence::Unproven(why) => tracing::error!(
                source = name,
                prefix,
                %why,
                "A SOURCE CANNOT PROVE ABSENCE: its 404 proves nothing, so what is deleted there is not removed here and is answered \
                 with 503; make it answer 404 where there is nothing, or give it the right to list"
            ),
            Absence::Unknown => {
                tracing::warn!(
                    source = name,
                    prefix,
                    "whether a source can prove absence is not known: it does not answer"
                )
            }
        }
    }
}
