//! What each action does, and when it is possible. Every mutation is one branch here.

use crate::protocol::{Action, Content, Edge, Fill, Held, Mutation, Protocol, Stage, State, Stray, Work, at, bit};

/// How many fences the log holds.
const LOG: u8 = 1;

impl Protocol {
    /// Does one action; `None` when it is not possible here.
    pub(crate) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => self.tick(state),
            Action::Upload => self.upload(state)?,
            Action::Delete => self.delete(state)?,
            Action::Deliver => begin_work(state)?,
            Action::Fence(_) | Action::OtherFence(_) if self.copies => return None,
            Action::Fence(edge) => fence(state, edge)?,
            Action::OtherFence(edge) => {
                let fill = state.edges[edge].fill.as_mut().filter(|fill| fill.stage <= Stage::Loaded)?;
                raise(fill, false);
            }
            Action::Sweep => self.sweep(state)?,
            Action::LandStray => self.land_stray(state)?,
            Action::LoseStray => drop(state.stray.take()?),
            Action::Ask(edge) => ask(state, edge)?,
            Action::Crash(edge) => crash(state, edge)?,
            Action::Cut(edge) => {
                self.is(Mutation::StaleIfError).then_some(())?;
                state.edges[edge].cut = !state.edges[edge].cut;
            }
            Action::Begin(edge) => begin(&mut state.edges[edge])?,
            Action::Read(edge) => read(state, edge)?,
            Action::Load(edge, content) => self.load(state, edge, content)?,
            Action::Publish(edge) => self.publish(state, edge)?,
            Action::Store(edge) => self.store(&mut state.edges[edge])?,
            Action::Land(edge) => self.land(state, edge)?,
            Action::Copy(edge) => self.copy(&mut state.edges[edge])?,
            Action::LandCopy(edge) => self.land_copy(state, edge)?,
            Action::Verify(edge) => self.verify(state, edge)?,
            Action::GiveUp(edge) => self.give_up(&mut state.edges[edge])?,
        }
        self.forget_what_no_longer_matters(state);
        Some(())
    }

    fn tick(&self, state: &mut State) {
        let bound = self.window.max(self.fill) + 1;
        let older = |age: &mut u8| *age = (*age + 1).min(bound);
        state.gone_age.iter_mut().flatten().for_each(older);
        state.stored.iter_mut().flatten().for_each(older);
        if let Some(work) = &mut state.work {
            older(&mut work.age);
        }
        if let Some(stray) = &mut state.stray {
            older(&mut stray.age);
        }
        for edge in &mut state.edges {
            if let Some(held) = &mut edge.held {
                older(&mut held.proof_age);
            }
            if let Some(fill) = &mut edge.fill {
                older(&mut fill.age);
                older(&mut fill.carried_age);
            }
        }
    }

    /// Makes states equal that cannot be told apart from here on.
    fn forget_what_no_longer_matters(&self, state: &mut State) {
        if !self.is(Mutation::NoQuestionOnLoad) {
            state.stored.iter_mut().flatten().for_each(|age| *age = 0);
        }
        for edge in &mut state.edges {
            // Too old to serve: to ask again, or to fetch again, comes to the same.
            let served_on_errors = self.is(Mutation::StaleIfError);
            edge.held = edge.held.filter(|held| held.proof_age <= self.window || served_on_errors);
            // Too old to begin to store: nothing is left for it to do.
            edge.fill = edge.fill.filter(|fill| fill.stage != Stage::Published || fill.age <= self.fill);
            if let Some(fill) = &mut edge.fill {
                if !(fill.stage == Stage::Loaded && self.is(Mutation::NoQuestionOnLoad)) {
                    fill.carried_age = 0;
                }
                let is_written = match fill.stage {
                    // Too old for the copy is too old, by however much.
                    Stage::Stored { .. } => !self.copies,
                    Stage::Copied { .. } => true,
                    _ => false,
                };
                if is_written {
                    fill.age = 0;
                }
                if fill.stage > Stage::Loaded {
                    (fill.fences, fill.last_covers) = (0, false);
                } else if self.is_fenced(fill) && self.mutation.is_none() {
                    (fill.fences, fill.last_covers) = (LOG + 1, true);
                }
            }
        }
        for content in 1..=state.uploads {
            self.forget_content(state, content);
        }
    }

    /// Nobody has a copy of what is gone: it never comes back, whatever is remembered of it.
    fn forget_content(&self, state: &mut State, content: Content) {
        let somewhere = state.source == content
            || state.stored[at(content)].is_some()
            || state.copy == Some(content)
            || state.stray.is_some_and(|stray| stray.content == content)
            || state.edges.iter().any(|edge| {
                edge.held.is_some_and(|held| held.content == content)
                    || edge.fill.is_some_and(|fill| fill.content == content)
            });
        if !somewhere {
            state.gone_age[at(content)] = Some(self.window.max(self.fill) + 1);
            state.clean &= !bit(content);
            state.excused &= !bit(content);
            state.edges.iter_mut().for_each(|edge| edge.fenced &= !bit(content));
        }
    }

    fn upload(&self, state: &mut State) -> Option<()> {
        if state.uploads == self.versions {
            return None;
        }
        leave(state);
        state.uploads += 1;
        state.source = state.uploads;
        Some(())
    }

    fn delete(&self, state: &mut State) -> Option<()> {
        if state.source == 0 || (self.last_stays && state.source == self.versions) {
            return None;
        }
        leave(state);
        state.source = 0;
        Some(())
    }

    /// How many sweeps one purge takes.
    fn sweeps(&self) -> u8 {
        if self.is(Mutation::NoSecondSweep) { 1 } else { 2 }
    }

    fn sweep(&self, state: &mut State) -> Option<()> {
        let work = state.work.as_mut().filter(|work| work.sweeps < self.sweeps())?;
        // The second waits for the longest fill.
        (work.sweeps == 0 || work.age > self.fill).then_some(())?;
        work.sweeps += 1;
        let (gone, done) = (work.gone, work.sweeps == self.sweeps());
        for content in (1..=state.uploads).filter(|content| gone & bit(*content) != 0) {
            state.stored[at(content)] = None;
        }
        // Its name does not say of which content it is, so it goes whatever it shows.
        if !(self.is(Mutation::CopiesSpared) && state.source != 0) {
            state.copy = None;
        }
        if done {
            state.clean |= gone;
            state.work = None;
        }
        Some(())
    }

    /// Reading the store of derivatives is not proof: the source is asked in the same breath.
    fn load(&self, state: &mut State, edge: usize, content: Content) -> Option<()> {
        let written_under = state.stored.get(at(content)).copied().flatten()?;
        let fill = reachable(&mut state.edges[edge])?.fill.as_mut().filter(|fill| fill.stage == Stage::Begun)?;
        if self.is(Mutation::StoreReadIsProof) {
            fill.age = 0;
        } else if self.is(Mutation::NoQuestionOnLoad) {
            fill.carried_age = written_under;
        } else if state.source != content {
            return None;
        }
        (fill.stage, fill.content) = (Stage::Loaded, content);
        Some(())
    }

    fn is_fenced(&self, fill: &Fill) -> bool {
        if self.is(Mutation::NoFenceTest) {
            return false;
        }
        let forgotten = fill.fences > LOG && !self.is(Mutation::LogTooShort);
        fill.last_covers || forgotten
    }

    /// The test, the first byte and the insertion.
    fn publish(&self, state: &mut State, edge: usize) -> Option<()> {
        let fill = state.edges[edge].fill.filter(|fill| matches!(fill.stage, Stage::Read | Stage::Loaded))?;
        if self.is_fenced(&fill) {
            state.edges[edge].fill = None;
            return Some(());
        }
        let proof_age = match fill.stage {
            _ if self.is(Mutation::StampAtEnd) => 0,
            Stage::Loaded if self.is(Mutation::NoQuestionOnLoad) => fill.carried_age,
            _ => fill.age,
        };
        state.edges[edge].held = (!self.copies).then_some(Held { content: fill.content, proof_age });
        if proof_age <= self.window {
            state.broke_s1 |= self.is_long_gone(state, fill.content);
            state.broke_s2 |= state.edges[edge].fenced & bit(fill.content) != 0;
        }
        let stage = match fill.stage {
            Stage::Read => Some(Stage::Published),
            // Whoever was asked for what is stored was asked because its copy is missing.
            _ if self.copies => Some(Stage::Stored { late: false }),
            _ => None,
        };
        state.edges[edge].fill = stage.map(|stage| Fill { stage, ..fill });
        Some(())
    }

    /// A fill older than F does not begin to store.
    fn store(&self, edge: &mut Edge) -> Option<()> {
        let fill = reachable(edge)?.fill.as_mut()?;
        (fill.stage == Stage::Published && fill.age <= self.fill).then_some(())?;
        fill.stage = Stage::Storing;
        Some(())
    }

    fn land(&self, state: &mut State, edge: usize) -> Option<()> {
        let fill = state.edges[edge].fill.as_mut().filter(|fill| fill.stage == Stage::Storing)?;
        fill.stage = Stage::Stored { late: fill.age > self.fill };
        state.stored[at(fill.content)] = Some(fill.age);
        if self.is(Mutation::NoVerify) {
            state.edges[edge].fill = None;
        }
        Some(())
    }

    /// A copy is begun like a derivative, and behind it.
    fn copy(&self, edge: &mut Edge) -> Option<()> {
        (self.copies && !self.is(Mutation::CopyBehindQuestion)).then_some(())?;
        let fill = reachable(edge)?.fill.as_mut()?;
        (matches!(fill.stage, Stage::Stored { .. }) && fill.age <= self.fill).then_some(())?;
        fill.stage = Stage::Copying;
        Some(())
    }

    fn land_copy(&self, state: &mut State, edge: usize) -> Option<()> {
        let fill = state.edges[edge].fill.as_mut().filter(|fill| fill.stage == Stage::Copying)?;
        fill.stage = Stage::Copied { late: fill.age > self.fill };
        state.copy = Some(fill.content);
        if self.is(Mutation::CopyBehindQuestion) {
            state.edges[edge].fill = None;
        }
        Some(())
    }

    /// Unless the content is still current, the writer deletes what it wrote; a copy even if somebody has written another since.
    fn verify(&self, state: &mut State, edge: usize) -> Option<()> {
        let edge = reachable(&mut state.edges[edge])?;
        let mut fill = edge.fill.filter(|fill| matches!(fill.stage, Stage::Stored { .. } | Stage::Copied { .. }))?;
        edge.fill = None;
        if state.source != fill.content {
            state.stored[at(fill.content)] = None;
            if self.copies && !self.is(Mutation::CopyNotTakenBack) {
                state.copy = None;
            }
        } else if self.is(Mutation::CopyBehindQuestion) && fill.age <= self.fill {
            fill.stage = Stage::Copying;
            edge.fill = Some(fill);
        }
        Some(())
    }

    fn land_stray(&self, state: &mut State) -> Option<()> {
        let stray = state.stray.take()?;
        match stray.is_copy {
            true => state.copy = Some(stray.content),
            false => state.stored[at(stray.content)] = Some(stray.age),
        }
        if stray.age > self.fill {
            state.excused |= bit(stray.content);
        }
        Some(())
    }

    fn give_up(&self, edge: &mut Edge) -> Option<()> {
        let fill = edge.fill?;
        matches!(fill.stage, Stage::Begun | Stage::Read | Stage::Loaded | Stage::Published).then_some(())?;
        edge.fill = None;
        Some(())
    }
}

/// The present content goes; from now on an event may say so.
fn leave(state: &mut State) {
    if state.source != 0 {
        state.gone_age[at(state.source)] = Some(0);
    }
}

/// An edge, when it is not cut off.
fn reachable(edge: &mut Edge) -> Option<&mut Edge> {
    (!edge.cut).then_some(edge)
}

/// Ask the source, never trust the event; nothing to do when nothing ever went.
fn begin_work(state: &mut State) -> Option<()> {
    let gone = (1..=state.uploads).filter(|content| state.gone_age[at(*content)].is_some()).map(bit).sum();
    if state.work.is_some() || gone == 0 {
        return None;
    }
    state.work = Some(Work { gone, age: 0, sweeps: 0 });
    Some(())
}

/// An edge takes the fence and acknowledges it.
fn fence(state: &mut State, edge: usize) -> Option<()> {
    let gone = state.work?.gone;
    let edge = reachable(&mut state.edges[edge])?;
    edge.held = None;
    edge.fenced |= gone;
    if let Some(fill) = &mut edge.fill {
        raise(fill, true);
    }
    Some(())
}

fn raise(fill: &mut Fill, covers: bool) {
    fill.fences = (fill.fences + 1).min(LOG + 1);
    fill.last_covers = covers;
}

fn begin(edge: &mut Edge) -> Option<()> {
    if edge.fill.is_some() || edge.held.is_some() {
        return None;
    }
    let (stage, content, age, carried_age, fences, last_covers) = (Stage::Begun, 0, 0, 0, 0, false);
    edge.fill = Some(Fill { stage, content, age, carried_age, fences, last_covers });
    Some(())
}

fn read(state: &mut State, edge: usize) -> Option<()> {
    let edge = reachable(&mut state.edges[edge])?;
    let fill = edge.fill.as_mut().filter(|fill| fill.stage == Stage::Begun)?;
    if state.source == 0 {
        // 404: nothing is kept, and what was held is not there any more.
        (edge.fill, edge.held) = (None, None);
    } else {
        (fill.stage, fill.content) = (Stage::Read, state.source);
    }
    Some(())
}

/// The question and its answer in one step: of all questions that find the content present, this one has the youngest
/// stamp.
fn ask(state: &mut State, edge: usize) -> Option<()> {
    let edge = reachable(&mut state.edges[edge])?;
    let held = edge.held.as_mut()?;
    if held.content == state.source {
        held.proof_age = 0;
    } else {
        edge.held = None;
    }
    Some(())
}

fn crash(state: &mut State, edge: usize) -> Option<()> {
    let edge = &mut state.edges[edge];
    if edge.held.is_none() && edge.fill.is_none() {
        return None;
    }
    match edge.fill {
        // Its write is in the network all the same; one such at a time is modelled.
        Some(fill) if matches!(fill.stage, Stage::Storing | Stage::Copying) => {
            if state.stray.is_some() {
                return None;
            }
            let is_copy = fill.stage == Stage::Copying;
            state.stray = Some(Stray { content: fill.content, is_copy, age: fill.age });
        }
        Some(Fill { stage: Stage::Stored { late: true } | Stage::Copied { late: true }, content, .. }) => {
            state.excused |= bit(content);
        }
        _ => {}
    }
    (edge.held, edge.fill) = (None, None);
    Some(())
}
