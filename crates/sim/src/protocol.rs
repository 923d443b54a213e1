//! The protocol as a state machine: what there is, what may happen, and what must never be.
//!
//! Time is unbounded: only ages are kept, and an age past its bound stays there. So the number of states is finite, and a
//! check that ends has seen every history of any length. Nothing here must know how the product does it.
//!
//! Nobody is ever forced to act, which covers much of what goes wrong without a word of its own: an edge that is cut off
//! is one that does nothing for a while that needs others; a lost event is one that is never delivered; an event may be
//! delivered at any time after what it tells of, and again, which covers late, doubled and reordered ones and the scans
//! of the reconciler.

use stateright::{Model, Property};

/// How many edges there are. They are alike, so a state is kept with its edges in order.
pub const EDGES: usize = 2;
/// The most contents the original can have one after the other.
pub const VERSIONS_MAX: usize = 3;

/// Names one content of the original, from 1; 0 is no content.
pub type Content = u8;

/// One rule left out or bent. The check has to notice each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// A proof counts from the moment its answer came.
    StampAtEnd,
    /// While the source does not answer, what is there is served however old its proof is.
    StaleIfError,
    /// What is read from the store of derivatives counts as proven from the moment of the read.
    StoreReadIsProof,
    /// What a fill brought is not tested against the fences raised since it began.
    NoFenceTest,
    /// What the fence log no longer reaches back to is taken as clear.
    LogTooShort,
    /// A stored derivative is used without asking the source, with the age of the proof that it was written under.
    NoQuestionOnLoad,
    /// Whoever stored a derivative does not ask again whether the original is still the same.
    NoVerify,
    /// The cleaner sweeps once.
    NoSecondSweep,
    /// A copy is written when its writer has asked again.
    CopyBehindQuestion,
    /// Whoever finds the original changed takes back the derivative, and leaves the copy.
    CopyNotTakenBack,
    /// The cleaner leaves copies alone while there is an original.
    CopiesSpared,
}

/// What is checked, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// The rule that is left out, if any.
    pub mutation: Option<Mutation>,
    /// *V*: how old a proof may be, in ticks.
    pub window: u8,
    /// *F*: how old a fill may be when it begins to store, in ticks.
    pub fill: u8,
    /// How often the owner may upload, the first time included: 1 to [`VERSIONS_MAX`].
    pub versions: u8,
    /// Whether the last upload is never deleted: what matters then is what is left of those before it.
    pub last_stays: bool,
    /// Whether edges are functions that write copies: a derivative once more, under a name that all contents share. Such an edge
    /// keeps nothing in memory, and nobody fences it.
    pub copies: bool,
}

/// How far a fill has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// It has taken the sequence and the stamp.
    Begun,
    /// It has read the original.
    Read,
    /// It has read a stored derivative.
    Loaded,
    /// It was answered and kept; storing has not begun.
    Published,
    /// The write to the store is in the network.
    Storing,
    /// The write has landed, in time or past *F*; the question whether the original is the same is to come.
    Stored {
        /// Past *F*.
        late: bool,
    },
    /// The write of the copy is in the network.
    Copying,
    /// That has landed too.
    Copied {
        /// Past *F*.
        late: bool,
    },
}

/// One fill of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fill {
    /// How far it has come.
    pub stage: Stage,
    /// What it read.
    pub content: Content,
    /// Ticks since it began, which is also the age of its proof.
    pub age: u8,
    /// The age of the proof that the loaded derivative was written under, where a mutation goes by it.
    pub carried_age: u8,
    /// Fences raised since it began: none, one, or more than the log holds.
    pub fences: u8,
    /// Whether the last of them covers it.
    pub last_covers: bool,
}

/// What an edge holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Held {
    /// The content it was made from.
    pub content: Content,
    /// The age of its proof.
    pub proof_age: u8,
}

/// One edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// What it may serve.
    pub held: Option<Held>,
    /// What it fetches.
    pub fill: Option<Fill>,
    /// The source does not answer it. Kept only where something depends on it; see the module's words on silence.
    pub cut: bool,
    /// Contents that were gone before the last fence it acknowledged, as bits. The property's memory, not the edge's.
    pub fenced: u8,
}

/// What the cleaner is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// Contents that were gone when the source was asked, as bits.
    pub gone: u8,
    /// Ticks since it asked the source.
    pub age: u8,
    /// Sweeps done.
    pub sweeps: u8,
}

/// A write whose writer is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stray {
    /// What it writes.
    pub content: Content,
    /// Whether it is the copy.
    pub is_copy: bool,
    /// Ticks since its fill began.
    pub age: u8,
}

/// Everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What the source holds.
    pub source: Content,
    /// How many contents it has held.
    pub uploads: u8,
    /// Ticks since each content went, per content.
    pub gone_age: [Option<u8>; VERSIONS_MAX],
    /// Stored derivatives per content, with the age of the proof they were written under (kept only where it matters).
    pub stored: [Option<u8>; VERSIONS_MAX],
    /// The content that the copy shows, where there is one: whoever reads it asks nobody.
    pub copy: Option<Content>,
    /// The edges, in order.
    pub edges: [Edge; EDGES],
    /// What the cleaner is doing.
    pub work: Option<Work>,
    /// A write without a writer.
    pub stray: Option<Stray>,
    /// Contents that a receipt calls clean, as bits.
    pub clean: u8,
    /// Contents of which a dead writer's write landed past *F*, as bits: the one case left to the next scan.
    pub excused: u8,
    /// An answer was sent from a content gone for longer than *V*.
    pub broke_s1: bool,
    /// An answer was sent from a content that a fence had covered.
    pub broke_s2: bool,
}

/// What may happen. The number is an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A tick passes.
    Tick,
    /// The owner uploads another content.
    Upload,
    /// The owner deletes.
    Delete,
    /// An event reaches the cleaner, which asks the source.
    Deliver,
    /// An edge takes the cleaner's fence and acknowledges it.
    Fence(usize),
    /// A fence about something else.
    OtherFence(usize),
    /// The cleaner deletes what it lists.
    Sweep,
    /// A request misses: nothing is held that may be served.
    Begin(usize),
    /// The fill reads the original.
    Read(usize),
    /// The fill reads a stored derivative of this content.
    Load(usize, Content),
    /// The fill answers, and keeps.
    Publish(usize),
    /// The fill begins to store.
    Store(usize),
    /// The write lands.
    Land(usize),
    /// The fill begins to write the copy.
    Copy(usize),
    /// That lands.
    LandCopy(usize),
    /// The writer asks again.
    Verify(usize),
    /// The fill ends, because there is nothing to do, or because it is too old.
    GiveUp(usize),
    /// The edge asks the source whether what it holds is still there.
    Ask(usize),
    /// The edge loses its memory.
    Crash(usize),
    /// The source stops answering the edge, or answers again.
    Cut(usize),
    /// A dead writer's write lands.
    LandStray,
    /// A dead writer's write never lands.
    LoseStray,
}

impl Protocol {
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether an answer from what is held here would be sent.
    pub fn serves(&self, edge: &Edge) -> Option<Content> {
        let held = edge.held?;
        let young = held.proof_age <= self.window;
        (young || (self.is(Mutation::StaleIfError) && edge.cut)).then_some(held.content)
    }

    /// S1: whether a content has been gone for longer than *V*.
    pub(crate) fn is_long_gone(&self, state: &State, content: Content) -> bool {
        state.gone_age[at(content)].is_some_and(|age| age > self.window)
    }
}

/// A content's place in arrays.
pub(crate) fn at(content: Content) -> usize {
    usize::from(content) - 1
}

/// A content's bit in sets.
pub(crate) fn bit(content: Content) -> u8 {
    1 << content
}

fn s1(model: &Protocol, state: &State) -> bool {
    let served = state.edges.iter().filter_map(|edge| model.serves(edge));
    !state.broke_s1 && served.into_iter().all(|content| !model.is_long_gone(state, content))
}

fn s2(model: &Protocol, state: &State) -> bool {
    let served = state.edges.iter().filter_map(|edge| model.serves(edge).map(|content| (edge, content)));
    !state.broke_s2 && served.into_iter().all(|(edge, content)| edge.fenced & bit(content) == 0)
}

/// What a receipt calls clean stays clean, once whoever was writing is done.
fn s3(_: &Protocol, state: &State) -> bool {
    (1..=state.uploads).all(|content| {
        let writing = state.edges.iter().filter_map(|edge| edge.fill).any(|fill| fill.content == content)
            || state.stray.is_some_and(|stray| stray.content == content);
        let excused = state.excused & bit(content) != 0;
        let gone = state.stored[at(content)].is_none() && state.copy != Some(content);
        state.clean & bit(content) == 0 || gone || writing || excused
    })
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            source: 1,
            uploads: 1,
            gone_age: [None; VERSIONS_MAX],
            stored: [None; VERSIONS_MAX],
            copy: None,
            edges: [Edge::default(); EDGES],
            work: None,
            stray: None,
            clean: 0,
            excused: 0,
            broke_s1: false,
            broke_s2: false,
        }]
    }

    fn actions(&self, _: &State, actions: &mut Vec<Action>) {
        // What is not possible in a state, `next_state` refuses.
        use Action::*;
        actions.extend([Tick, Upload, Delete, Deliver, Sweep, LandStray, LoseStray]);
        for edge in 0..EDGES {
            actions.extend((1..=self.versions).map(|content| Load(edge, content)));
            actions.extend([Fence, OtherFence, Begin, Read, Publish, Store, Land].map(|action| action(edge)));
            actions.extend([Copy, LandCopy, Verify, GiveUp, Ask, Crash, Cut].map(|action| action(edge)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action)?;
        state.edges.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("S1: nothing gone for longer than V is served", s1),
            Property::always("S2: nothing fenced is served", s2),
            Property::always("S3: what a receipt calls clean is clean", s3),
            Property::sometimes("an old content is served within V", |model: &Self, state: &State| {
                let served = state.edges.iter().filter_map(|edge| model.serves(edge));
                model.copies || served.into_iter().any(|content| content != state.source)
            }),
            Property::sometimes("the last content is served", |model: &Self, state: &State| {
                let served = state.edges.iter().filter_map(|edge| model.serves(edge));
                let served = served.into_iter().any(|content| content == model.versions);
                model.copies || state.source == model.versions && served
            }),
            Property::sometimes("a copy shows a content that is gone", |model: &Self, state: &State| {
                !model.copies || state.copy.is_some_and(|content| content != state.source)
            }),
            Property::sometimes("a stored derivative outlives a purge for a while", |_: &Self, state: &State| {
                (1..=state.uploads).any(|c| state.clean & bit(c) != 0 && state.stored[at(c)].is_some())
            }),
        ]
    }
}
