//! The fence log on disk. A fence is in it before anybody is told that it stands, so that a process that dies a moment
//! later does not bring back what it covered. Whatever in it is not exactly as it was written makes the tier start empty.
//!
//! It is handed to the kernel, not forced to the platter, for each fence: it outlives the process, and after a power
//! failure another boot finds a log that was not closed, and starts empty. See docs/decisions/0005.

use std::io;

use afterimage_identity::{Selector, Sequence, digest_hex};
use serde::{Deserialize, Serialize};

use super::files::{Files, JOURNAL};
use super::header::TierId;
use crate::fences::Snapshot;

const MAGIC: &[u8; 8] = b"AFTRFNC\0";
/// Raised whenever the form changes; another form is as good as none.
const FORMAT: u32 = 1;
/// A log is rewritten long before it is this long; a longer one is none of ours.
const BYTES_MAX: u64 = 1 << 30;
/// Length and the beginning of a digest.
const FRAME_BYTES: usize = 4 + 8;

/// The first record.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    tier: TierId,
    /// What gives keys and payloads their meaning.
    scope: String,
    /// The boot in which it was written, where the machine tells boots apart.
    boot: Option<String>,
    /// Written by a process that ended in order, and forced to the platter.
    closed: bool,
    /// Every file was tested against all fences up to here, or removed.
    swept: Sequence,
    fences: Snapshot,
}

/// What a log that may be believed says.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) tier: TierId,
    pub(crate) swept: Sequence,
    pub(crate) fences: Snapshot,
}

/// The log of this process.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) tier: TierId,
    pub(crate) scope: String,
    boot: Option<String>,
    /// Fences added since it was last rewritten.
    pub(crate) appended: usize,
    closed: bool,
    /// It could not be written: there is no tier until it can.
    pub(crate) off: bool,
}

fn frame(record: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(record)?;
    let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok([&length.to_le_bytes(), &digest_hex(&text).as_bytes()[..8], &text].concat())
}

/// Takes the first frame off.
fn unframe<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let text = bytes.get(FRAME_BYTES..FRAME_BYTES.checked_add(length)?)?;
    let holds = bytes[4..FRAME_BYTES] == digest_hex(text).as_bytes()[..8];
    *bytes = &bytes[FRAME_BYTES + length..];
    holds.then_some(text)
}

impl Journal {
    pub(crate) fn new(tier: TierId, scope: String, boot: Option<String>) -> Self {
        Self { tier, scope, boot, appended: 0, closed: false, off: false }
    }

    /// Reads the log that is there. In words why it may not be believed; `NotFound` when there is none.
    pub(crate) fn find(files: &dyn Files, scope: &str, boot: Option<&str>) -> Result<Found, String> {
        let (bytes, length) = files.read(JOURNAL, BYTES_MAX).map_err(|error| error.to_string())?;
        if bytes.len() as u64 != length {
            return Err("it is longer than any".into());
        }
        let mut rest = bytes.strip_prefix(MAGIC).ok_or("it is no fence log")?;
        let head = unframe(&mut rest).ok_or("its head is damaged")?;
        let head: Head = serde_json::from_slice(head).map_err(|_| "its head is of another form")?;
        if head.format != FORMAT {
            return Err("it is of another form".into());
        }
        if head.scope != scope {
            return Err("settings that give its entries their meaning have changed".into());
        }
        if !(head.boot.is_some() && head.boot.as_deref() == boot || head.closed && rest.is_empty()) {
            return Err("the machine stopped before it was closed".into());
        }
        // Across a boot nobody knows which removals were lost with the power.
        let swept = if head.boot.as_deref() == boot { head.swept } else { Sequence(0) };
        let mut fences = head.fences;
        while !rest.is_empty() {
            let record = unframe(&mut rest).ok_or("a fence in it is damaged")?;
            let (sequence, selector): (Sequence, Selector) =
                serde_json::from_slice(record).map_err(|_| "a fence in it is of another form")?;
            if sequence <= fences.last {
                return Err("its fences are out of order".into());
            }
            fences.last = sequence;
            fences.selectors.push((sequence, selector));
        }
        Ok(Found { tier: head.tier, swept, fences })
    }

    /// Writes the whole log anew.
    pub(crate) fn rewrite(
        &mut self,
        files: &dyn Files,
        fences: Snapshot,
        swept: Sequence,
        closed: bool,
        durable: bool,
    ) -> io::Result<()> {
        let (tier, scope, boot) = (self.tier, self.scope.clone(), self.boot.clone());
        let head = frame(&Head { format: FORMAT, tier, scope, boot, closed, swept, fences })?;
        files.write(JOURNAL, &[MAGIC, &head], durable)?;
        (self.appended, self.closed) = (0, closed);
        Ok(())
    }

    /// Adds a fence. `snapshot` has it too, for when the log has to be written anew.
    pub(crate) fn add(
        &mut self,
        files: &dyn Files,
        sequence: Sequence,
        selector: &Selector,
        snapshot: impl Fn() -> Snapshot,
        room: impl FnOnce(),
    ) -> io::Result<()> {
        if self.closed {
            // Whoever ended in order and goes on fencing must be believed after a power failure too.
            return self.rewrite(files, snapshot(), Sequence(0), true, true);
        }
        if files.append(JOURNAL, &frame(&(sequence, selector))?).is_ok() {
            self.appended += 1;
            return Ok(());
        }
        // A part of it may be there; only a whole new log is right again, and it may need room.
        room();
        self.rewrite(files, snapshot(), Sequence(0), false, false)
    }
}
