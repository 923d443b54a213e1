//! Which entry leaves when space is short: SIEVE (Zhang et al., NSDI 2024). A hit only sets a bit; a hand walks from the
//! oldest to the newest, spares what was hit since it last passed, and takes the first that was not.

/// No slot.
const NONE: u32 = u32::MAX;
/// After this many spared entries the next is taken whatever its bit says, so that one insertion's wait is bounded.
const STEPS_MAX: usize = 4096;

#[derive(Clone, Copy)]
struct Node {
    newer: u32,
    older: u32,
}

/// A queue of slots in order of arrival, and the hand.
pub(crate) struct Sieve {
    nodes: Vec<Node>,
    newest: u32,
    oldest: u32,
    hand: u32,
}

impl Sieve {
    pub(crate) fn new() -> Self {
        Self { nodes: Vec::new(), newest: NONE, oldest: NONE, hand: NONE }
    }

    /// Adds a slot that is not in the queue.
    pub(crate) fn insert(&mut self, slot: u32) {
        let at = slot as usize;
        if self.nodes.len() <= at {
            self.nodes.resize(at + 1, Node { newer: NONE, older: NONE });
        }
        self.nodes[at] = Node { newer: NONE, older: self.newest };
        match self.newest {
            NONE => self.oldest = slot,
            newest => self.nodes[newest as usize].newer = slot,
        }
        self.newest = slot;
    }

    /// Takes a slot out that is in the queue.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Node { newer, older } = self.nodes[slot as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
        if self.hand == slot {
            self.hand = newer;
        }
    }

    /// The slot to evict; it stays in the queue until it is removed. `spare` says whether a slot was hit since it was
    /// last asked, and forgets it.
    pub(crate) fn victim(&mut self, mut spare: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut slot = if self.hand == NONE { self.oldest } else { self.hand };
        let mut steps = 0;
        while slot != NONE && steps < STEPS_MAX && spare(slot) {
            slot = match self.nodes[slot as usize].newer {
                NONE => self.oldest,
                newer => newer,
            };
            steps += 1;
        }
        self.hand = slot;
        (slot != NONE).then_some(slot)
    }
}
