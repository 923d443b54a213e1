//! Looks at a place: lists it whole, and reads what is in the layout. Nothing is written but the plan that comes of it.

use std::collections::HashSet;
use std::sync::Arc;

use afterimage_identity::Unprovable;
use afterimage_store::Error as StoreError;
use afterimage_store::inherited::{Inherited, Look, Seen};
use tokio::task::JoinSet;

use crate::Error;
use crate::evidence::{Written, bytes_max, doubts};
use crate::layout::named;
use crate::plan::{Do, Header, Kind, LINES_MAX, Line, Plan};
use crate::sort::{Behind, Keys};

/// How many things are read at once.
const READS: usize = 64;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the place is called.
    pub place: String,
    /// The moment, in milliseconds since 1970.
    pub at_ms: u64,
    /// How the functions wrote.
    pub written: Written,
    /// Whether orphans go too.
    pub orphans: bool,
}

/// Looks at all of `place`. `told` hears how many keys were listed, and how many things of how many were read.
///
/// # Errors
/// Whenever a part of it could not be looked at: a plan is never silently shorter.
pub async fn survey(
    place: Arc<dyn Inherited>,
    request: &Request,
    told: &(dyn Fn(usize, usize, usize) + Sync),
) -> Result<Plan, Error> {
    let mut header = Header::new(&request.place, request.at_ms);
    let mut keys = Keys::default();
    loop {
        let page = place.list(keys.last()).await?;
        header.lists += 1;
        keys.extend(page.seen);
        if keys.len() > LINES_MAX {
            return Err(Error::TooManyKeys(LINES_MAX));
        }
        told(keys.len(), 0, 0);
        if !page.more {
            break;
        }
    }
    header.keys = keys.len() as u64;
    let candidates: Vec<(&Seen, Behind)> =
        keys.iter().filter_map(|seen| Some((seen, keys.behind(&seen.key)?))).collect();
    let mut lines = Vec::with_capacity(candidates.len());
    for batch in candidates.chunks(READS) {
        let looks = read(&place, batch.iter().map(|(seen, _)| *seen)).await;
        for ((seen, behind), look) in batch.iter().zip(looks) {
            header.reads += u64::from(look.is_some());
            lines.extend(line(seen, behind, look, request)?);
        }
        told(keys.len(), lines.len(), candidates.len());
    }
    let derived = lines.iter().filter(|line| line.kind == Kind::Derivative);
    header.originals = derived.map(|line| line.original.as_str()).collect::<HashSet<_>>().len() as u64;
    Ok(Plan { header, lines })
}

type Read = Option<Result<Look, StoreError>>;

/// Reads these, in their order; `None` for what is too large to be what its key says.
async fn read<'a>(place: &Arc<dyn Inherited>, batch: impl Iterator<Item = &'a Seen>) -> Vec<Read> {
    let mut tasks = JoinSet::new();
    let mut looks = Vec::new();
    for (at, seen) in batch.enumerate() {
        looks.push(None);
        let max = named(&seen.key).map_or(0, |named| bytes_max(&named));
        if seen.bytes <= max {
            let (place, key) = (place.clone(), seen.key.clone());
            tasks.spawn(async move { (at, place.look(&key, max).await) });
        }
    }
    for (at, look) in tasks.join_all().await {
        looks[at] = Some(look);
    }
    looks
}

/// What is said of one thing; nothing of one that went meanwhile.
fn line(seen: &Seen, behind: &Behind, look: Read, request: &Request) -> Result<Option<Line>, Error> {
    let Some(named) = named(&seen.key) else { return Ok(None) };
    let too_large = || vec![format!("it is too large for {}x{} pixels", named.width, named.height)];
    let (is, mut why) = match look {
        None | Some(Err(StoreError::TooLarge { .. })) => (None, too_large()),
        Some(Ok(look)) => {
            let why = doubts(&named, &look, &request.written);
            (Some(look.identity), why)
        }
        Some(Err(StoreError::NotFound)) => return Ok(None),
        // This one alone cannot be read, such as one in an archive.
        Some(Err(StoreError::Unprovable(Unprovable::Other(words)))) => {
            (None, vec![format!("it cannot be read: {words}")])
        }
        Some(Err(error)) => return Err(error.into()),
    };
    let kind = match (why.is_empty(), behind) {
        (false, _) => Kind::Unclear,
        (true, Behind::Original { .. }) => Kind::Derivative,
        (true, Behind::Nothing) => Kind::Orphan,
    };
    let act = match kind {
        Kind::Derivative => Do::Delete,
        Kind::Orphan if request.orphans => Do::Delete,
        Kind::Orphan | Kind::Unclear => Do::Keep,
    };
    if seen.is_hidden {
        why.push("only what the versioned bucket keeps of it is left".to_owned());
    }
    let original = match behind {
        Behind::Original { key, is_direct } => {
            if !is_direct {
                why.push(format!("made of {}, which is gone", named.original));
            }
            key.clone()
        }
        Behind::Nothing => {
            why.push(format!("there is no {}", named.original));
            named.original
        }
    };
    Ok(Some(Line { act, kind, key: seen.key.clone(), original, is, why }))
}
