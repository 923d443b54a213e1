//! A journal in pieces, for processes that come and go: each piece is written only where none is, so of all who would go on
//! with a journal one does, and the others know at once. The lease in a piece is politeness: it keeps two from working side
//! by side, and nothing is wrong if they do.

use std::io;
use std::sync::Arc;

use afterimage_identity::{Keep, KeepError, Put};
use serde::{Deserialize, Serialize};

use crate::journal::{read_records, record};

/// What every piece begins with.
const MAGIC: &[u8] = b"afterimage piece 1\n";
/// More pieces than this were not written here: a journal is written anew long before.
const PIECES_MAX: usize = 100_000;

/// Who works, and how long at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// A name that no other run has, whenever and wherever: it begins with the moment.
    pub name: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// When it is over for certain.
    pub until_ms: u64,
}

impl Run {
    /// Names a run. `chance` tells apart those that begin within one millisecond.
    pub fn new(at_ms: u64, until_ms: u64, chance: u64) -> Self {
        Self { name: format!("{at_ms:013}-{chance:016x}"), at_ms, until_ms }
    }

    /// The first id of receipts made by it: in the order of time, and below 2^53, where JSON's numbers end.
    pub(crate) fn first_id(&self) -> u64 {
        let chance = self.name.bytes().rev().take(3).fold(0u64, |sum, byte| sum * 16 + u64::from(byte) % 16);
        (self.at_ms << 12) + chance
    }
}

/// What stands at the head of a piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Who wrote it.
    pub(crate) run: String,
    /// Until when nobody else should go on; 0 when it has ended its work.
    pub(crate) until_ms: u64,
    /// When somebody is expected to go on.
    pub(crate) expected_ms: u64,
    /// Whether everything is in it, so that no earlier piece matters.
    #[serde(default)]
    pub(crate) whole: bool,
    /// Whether nothing is left to do.
    #[serde(default)]
    pub(crate) ended: bool,
}

/// One journal that this run goes on with.
pub struct Shard {
    keep: Arc<dyn Keep>,
    name: String,
    run: Run,
    /// What earlier runs wrote.
    records: Vec<Vec<u8>>,
    /// The number of the next piece.
    next: u64,
    /// The number of the last piece that is whole, where there is one.
    whole: Option<u64>,
    /// A piece of which it is not known whether it was written.
    doubtful: Option<(Vec<u8>, bool)>,
    bytes: u64,
    is_lost: bool,
}

/// Where a journal is found.
pub(crate) enum Found {
    /// Nobody works on it, so this run may.
    Free(Box<Shard>),
    /// Somebody works on it until then.
    Busy {
        /// In milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// All is done, or there never was anything to do.
    Over,
}

pub(crate) fn folder(name: &str) -> String {
    format!("journal/{name}/")
}

pub(crate) fn piece(name: &str, number: u64) -> String {
    format!("{}log/{number:010}", folder(name))
}

/// The number in a piece's name.
fn number(piece: &str) -> Option<u64> {
    piece.rsplit('/').next()?.parse().ok()
}

fn damaged(piece: &str) -> KeepError {
    KeepError::Failed { why: format!("{piece}: a piece of a journal of another format, or damaged") }
}

/// The head and the records of a piece.
pub(crate) async fn read(keep: &dyn Keep, piece: &str) -> Result<(Head, Vec<Vec<u8>>), KeepError> {
    let gone = || KeepError::Failed { why: format!("{piece} went while it was read") };
    let bytes = keep.read(piece).await?.ok_or_else(gone)?;
    let body = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged(piece))?;
    let (mut records, whole, _) = read_records(body);
    if records.is_empty() || whole < body.len() {
        return Err(damaged(piece));
    }
    let head = serde_json::from_slice(&records.remove(0)).map_err(|_| damaged(piece))?;
    Ok((head, records))
}

impl Shard {
    /// A journal that nobody has yet; nothing is written before there is something to write.
    pub(crate) fn fresh(keep: Arc<dyn Keep>, name: &str, run: &Run) -> Self {
        let (name, run) = (name.to_owned(), run.clone());
        Self { keep, name, run, records: Vec::new(), next: 0, whole: None, doubtful: None, bytes: 0, is_lost: false }
    }

    /// Looks at a journal, from its last piece back to one that is whole.
    pub(crate) async fn find(keep: Arc<dyn Keep>, name: &str, run: &Run, now_ms: u64) -> Result<Found, KeepError> {
        let pieces = keep.names(&format!("{}log/", folder(name)), PIECES_MAX).await?;
        let mut shard = Self::fresh(keep, name, run);
        let Some(last) = pieces.last() else { return Ok(Found::Over) };
        shard.next = number(last).ok_or_else(|| damaged(last))? + 1;
        let mut found = Vec::new();
        for piece in pieces.iter().rev() {
            let (head, records) = read(&*shard.keep, piece).await?;
            if piece == last && head.ended {
                return Ok(Found::Over);
            }
            if piece == last && head.until_ms > now_ms {
                return Ok(Found::Busy { until_ms: head.until_ms });
            }
            found.push(records);
            if head.whole {
                shard.whole = number(piece);
                break;
            }
        }
        shard.records = found.into_iter().rev().flatten().collect();
        Ok(Found::Free(Box::new(shard)))
    }

    /// What outer caches are being told by this journal's purges, of one of them.
    pub fn outbox(&self, layer: &str) -> Arc<dyn Keep> {
        let prefix = format!("{}outbox/{layer}/", folder(&self.name));
        Arc::new(afterimage_store::keep::Within::new(self.keep.clone(), prefix))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    pub(crate) fn keep(&self) -> Arc<dyn Keep> {
        self.keep.clone()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether an earlier run, or this one, has written something.
    pub(crate) fn is_written(&self) -> bool {
        self.next > 0
    }

    /// What earlier runs wrote, once.
    pub(crate) fn take_records(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.records)
    }

    /// Makes it this run's, with everything that is to be remembered. That nobody wrote further behind what was read is seen
    /// afterwards: a name may be free again because it was cleared away.
    pub(crate) async fn take_over(&mut self, payloads: &[Vec<u8>]) -> io::Result<()> {
        let ours = self.next;
        self.write(self.working(true), payloads).await?;
        let pieces = self.keep.names(&format!("{}log/", folder(&self.name)), PIECES_MAX).await;
        let last = pieces.map_err(io::Error::other)?.last().and_then(|piece| number(piece));
        if last != Some(ours) {
            self.is_lost = true;
            return Err(taken());
        }
        Ok(())
    }

    pub(crate) async fn append(&mut self, payloads: &[Vec<u8>]) -> io::Result<()> {
        self.write(self.working(!self.is_written()), payloads).await
    }

    pub(crate) async fn rewrite(&mut self, payloads: &[Vec<u8>]) -> io::Result<()> {
        self.write(self.working(true), payloads).await
    }

    /// Ends this run's work; somebody is to go on with it then.
    pub(crate) async fn release(&mut self, payloads: &[Vec<u8>], expected_ms: u64) -> io::Result<()> {
        let head = Head { until_ms: 0, expected_ms, ..self.working(true) };
        self.write(head, payloads).await
    }

    /// Ends it for good. The last piece stays for a while, so that whoever has looked earlier cannot go on with it.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        let head = Head { ended: true, ..self.working(true) };
        self.write(head, &[]).await?;
        self.clear(folder(&self.name)).await;
        Ok(())
    }

    /// Removes pieces that do not matter any more.
    pub(crate) async fn compact(&self) {
        self.clear(format!("{}log/", folder(&self.name))).await;
    }

    /// What stays is removed by whoever tidies up.
    async fn clear(&self, beginning: String) {
        let last = self.whole.map(|number| piece(&self.name, number));
        let cleared = async {
            let mut names = self.keep.names(&beginning, PIECES_MAX).await?;
            names.retain(|name| number(name).is_none() || last.as_ref().is_some_and(|last| name < last));
            if names.is_empty() { Ok(()) } else { self.keep.remove(&names).await }
        };
        if let Err(error) = cleared.await {
            tracing::warn!(journal = self.name, %error, "pieces that are not needed stay");
        }
    }

    fn working(&self, whole: bool) -> Head {
        let until_ms = self.run.until_ms;
        Head { run: self.run.name.clone(), until_ms, expected_ms: until_ms, whole, ended: false }
    }

    async fn write(&mut self, head: Head, payloads: &[Vec<u8>]) -> io::Result<()> {
        if self.is_lost {
            return Err(taken());
        }
        // What may have been written holds the next number, or nobody does: the same bytes again settle it.
        if let Some((bytes, whole)) = self.doubtful.take() {
            self.put(bytes, whole).await?;
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(record(&serde_json::to_vec(&head)?));
        bytes.extend(payloads.iter().flat_map(|payload| record(payload)));
        self.put(bytes, head.whole).await
    }

    async fn put(&mut self, bytes: Vec<u8>, whole: bool) -> io::Result<()> {
        match self.keep.write(&piece(&self.name, self.next), &bytes, Put::New).await {
            Ok(()) => {
                self.bytes = bytes.len() as u64 + if whole { 0 } else { self.bytes };
                self.whole = if whole { Some(self.next) } else { self.whole };
                self.next += 1;
                Ok(())
            }
            Err(KeepError::Taken) => {
                self.is_lost = true;
                Err(taken())
            }
            Err(KeepError::Failed { why }) => {
                self.doubtful = Some((bytes, whole));
                Err(io::Error::other(why))
            }
        }
    }
}

fn taken() -> io::Error {
    io::Error::other("somebody else goes on with this journal")
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
