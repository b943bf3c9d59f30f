//! The cases of a set, each made anew when it is needed: a set may have more of them than memory should hold.
//!
//! A case stands in a row of bytes. The rows are in memory as long as they are few, else in a file without a name that is gone
//! with the process; a set may change on disk while it is run, and the run goes on with what it read.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tempfile::{SpooledTempFile, spooled_tempfile};

use super::{Assertion, Case, CaseHead, Digest, Quantity, Task, tasks};

/// So many bytes of rows stay in memory.
const IN_MEMORY: usize = 1 << 20;

/// Makes cases out of their rows.
pub trait Render {
    /// The case with this head, as one of the set's prompts asks it; `None` where that cannot be had any more.
    fn case(&self, head: CaseHead, row: &[u8], prompt: usize) -> Option<Case>;
}

/// Something that some cases have, and that is known of each without making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// It stands or falls with others.
    Clustered,
    /// Judges, vectors or programs have to find out about its answer.
    Judged,
    /// Programs have to.
    Runs,
    /// An assertion asks for this figure.
    Asks(Quantity),
}

impl Feature {
    fn bit(self) -> u8 {
        1 << match self {
            Self::Clustered => 0,
            Self::Judged => 1,
            Self::Runs => 2,
            Self::Asks(Quantity::LatencyMilliseconds) => 3,
            Self::Asks(Quantity::FirstTokenMilliseconds) => 4,
            Self::Asks(Quantity::CostUsd) => 5,
            Self::Asks(Quantity::OutputTokens) => 6,
        }
    }

    fn all(cluster: Option<&str>, tasks: &[&Task], assertions: &[Assertion]) -> u8 {
        let asks = |quantity| assertions.iter().any(|assertion| assertion.asks_for(quantity));
        let own = [
            (Self::Clustered, cluster.is_some()),
            (Self::Judged, !tasks.is_empty()),
            (Self::Runs, tasks.iter().any(|task| matches!(task, Task::Run(_)))),
        ];
        let all = own.into_iter().chain(Quantity::ALL.map(|quantity| (Self::Asks(quantity), asks(quantity))));
        all.filter(|(_, has)| *has).fold(0, |bits, (feature, _)| bits | feature.bit())
    }
}

/// Whom the assertions of a set ask, as it is written.
#[derive(Debug, Default)]
pub struct AskedModels {
    /// Those who judge.
    pub judges: BTreeSet<String>,
    /// Those who make vectors.
    pub embedders: BTreeSet<String>,
}

/// The head of a case, as its row begins: its digest is another one for each prompt.
#[derive(Serialize, Deserialize)]
struct Head {
    id: Box<str>,
    digests: Vec<Digest>,
    tags: Vec<String>,
    cluster: Option<Box<str>>,
}

/// A case that is to be put with the others.
pub struct NewCase<'a> {
    /// Its name within the set.
    pub id: Box<str>,
    /// Its digest as each of the set's prompts asks it.
    pub digests: Vec<Digest>,
    /// Words to choose cases by.
    pub tags: Vec<String>,
    /// What it stands or falls with.
    pub cluster: Option<Box<str>>,
    /// What the answer must show.
    pub assertions: &'a [Assertion],
    /// What it is made of, as [`Render`] reads it.
    pub row: &'a [u8],
}

/// Puts the cases of a set together.
pub struct CasesWriter {
    rows: BufWriter<SpooledTempFile>,
    ends: Vec<u64>,
    features: Vec<u8>,
    asked: AskedModels,
}

impl Default for CasesWriter {
    fn default() -> Self {
        Self {
            rows: BufWriter::new(spooled_tempfile(IN_MEMORY)),
            ends: Vec::new(),
            features: Vec::new(),
            asked: AskedModels::default(),
        }
    }
}

impl CasesWriter {
    /// Adds a case.
    ///
    /// # Errors
    /// When the file that holds many has no room.
    pub fn put(&mut self, new: NewCase<'_>) -> io::Result<()> {
        let tasks = tasks(new.assertions);
        self.features.push(Feature::all(new.cluster.as_deref(), &tasks, new.assertions));
        for task in tasks {
            let (names, name) = match task {
                Task::Ask { judge, .. } => (&mut self.asked.judges, judge),
                Task::Similar { model, .. } => (&mut self.asked.embedders, model),
                Task::Run(_) => continue,
            };
            if !names.contains(name) {
                names.insert(name.clone());
            }
        }
        let head = Head { id: new.id, digests: new.digests, tags: new.tags, cluster: new.cluster };
        let mut bytes = serde_json::to_vec(&head)?;
        bytes.push(b'\n');
        bytes.extend(new.row);
        self.rows.write_all(&bytes).map_err(|error| placed(&error))?;
        let start = self.ends.last().copied().unwrap_or(0);
        self.ends.push(start + bytes.len() as u64);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them, as the set's first prompt asks them.
    ///
    /// # Errors
    /// When the file that holds many has no room.
    pub fn finish(mut self, render: impl Render + 'static) -> io::Result<Cases> {
        self.ends.shrink_to_fit();
        self.features.shrink_to_fit();
        let rows = self.rows.into_inner().map_err(|error| placed(error.error()))?;
        let rows = RefCell::new(rows);
        let (ends, features, asked) = (self.ends, self.features, self.asked);
        let store = Store { rows, ends, features, asked, render: Box::new(render) };
        Ok(Cases { store: Rc::new(store), chosen: None, prompt: 0 })
    }
}

/// An error of the file that holds many, with the folder that it is in.
fn placed(error: &io::Error) -> io::Error {
    let folder = tempfile::env::temp_dir();
    io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
}

struct Store {
    rows: RefCell<SpooledTempFile>,
    /// Where each row ends; the first begins at 0.
    ends: Vec<u64>,
    features: Vec<u8>,
    asked: AskedModels,
    render: Box<dyn Render>,
}

impl Store {
    fn row(&self, place: usize) -> Option<Vec<u8>> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let mut row = vec![0; usize::try_from(end - start).ok()?];
        let mut rows = self.rows.borrow_mut();
        rows.seek(SeekFrom::Start(start)).ok()?;
        rows.read_exact(&mut row).ok()?;
        Some(row)
    }
}

/// Cases of a set, in its order, as one of its prompts asks them. A copy costs nothing.
#[derive(Clone)]
pub struct Cases {
    store: Rc<Store>,
    /// The places of those that were chosen; all, where nobody chose.
    chosen: Option<Rc<[u32]>>,
    prompt: usize,
}

impl Cases {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.store.ends.len(), |chosen| chosen.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The case at a place, from 0; `None` behind the last one, and where what was written of it cannot be read any more.
    pub fn get(&self, at: usize) -> Option<Case> {
        let row = self.store.row(self.place(at)?)?;
        let (head, rest) = self.opened(&row)?;
        self.store.render.case(head, rest, self.prompt)
    }

    /// The first case.
    pub fn first(&self) -> Option<Case> {
        self.get(0)
    }

    /// What tells the case at a place from the others.
    pub fn head(&self, at: usize) -> Option<CaseHead> {
        let row = self.store.row(self.place(at)?)?;
        Some(self.opened(&row)?.0)
    }

    /// All of them, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Case> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// What tells each from the others.
    pub fn heads(&self) -> impl Iterator<Item = CaseHead> {
        (0..self.len()).filter_map(|at| self.head(at))
    }

    /// Those that have something.
    pub fn with(&self, feature: Feature) -> impl Iterator<Item = Case> {
        (0..self.len()).filter(move |at| self.has(*at, feature)).filter_map(|at| self.get(at))
    }

    /// Whether any of them has something.
    pub fn any(&self, feature: Feature) -> bool {
        (0..self.len()).any(|at| self.has(at, feature))
    }

    /// The same cases as another of the set's prompts asks them.
    #[must_use]
    pub fn asked_by(&self, prompt: usize) -> Self {
        Self { prompt, ..self.clone() }
    }

    /// Those that are wanted.
    #[must_use]
    pub fn choose(&self, mut wanted: impl FnMut(&CaseHead) -> bool) -> Self {
        let heads = (0..self.len()).filter_map(|at| Some((self.place(at)?, self.head(at)?)));
        let chosen =
            heads.filter(|(_, head)| wanted(head)).filter_map(|(place, _)| u32::try_from(place).ok());
        Self { chosen: Some(chosen.collect()), ..self.clone() }
    }

    /// Whom the assertions of the whole set ask.
    pub fn asked_models(&self) -> &AskedModels {
        &self.store.asked
    }

    /// For each case the place of the first one that it stands or falls with; `None` where each stands for itself.
    pub fn clusters(&self) -> Option<Vec<u32>> {
        if !self.any(Feature::Clustered) {
            return None;
        }
        let mut first: HashMap<Box<str>, u32> = HashMap::new();
        let cluster = |(place, at): (u32, usize)| match self.head(at).and_then(|head| head.cluster) {
            Some(cluster) => *first.entry(cluster).or_insert(place),
            None => place,
        };
        Some((0..).zip(0..self.len()).map(cluster).collect())
    }

    fn place(&self, at: usize) -> Option<usize> {
        match &self.chosen {
            None => Some(at),
            Some(chosen) => chosen.get(at).map(|place| *place as usize),
        }
    }

    fn has(&self, at: usize, feature: Feature) -> bool {
        let features = self.place(at).and_then(|place| self.store.features.get(place));
        features.is_some_and(|features| features & feature.bit() != 0)
    }

    fn opened<'r>(&self, row: &'r [u8]) -> Option<(CaseHead, &'r [u8])> {
        // JSON has no bare line break.
        let end = row.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = row.split_at(end);
        let Head { id, digests, tags, cluster } = serde_json::from_slice(head).ok()?;
        let digest = *digests.get(self.prompt)?;
        Some((CaseHead { id, digest, tags, cluster }, rest.get(1..)?))
    }
}

impl fmt::Debug for Cases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = (0..self.len().min(3)).filter_map(|at| Some(self.head(at)?.id));
        f.debug_struct("Cases").field("len", &self.len()).field("first", &ids.collect::<Vec<_>>()).finish()
    }
}

/// These cases, put together.
#[cfg(test)]
pub(crate) fn cases(all: Vec<Case>) -> Cases {
    struct Known(Vec<Case>);
    impl Render for Known {
        fn case(&self, head: CaseHead, row: &[u8], _: usize) -> Option<Case> {
            let at: usize = serde_json::from_slice(row).ok()?;
            Some(Case { head, ..self.0.get(at)?.clone() })
        }
    }
    let mut writer = CasesWriter::default();
    for (at, case) in all.iter().enumerate() {
        let CaseHead { id, digest, tags, cluster } = case.head.clone();
        let (assertions, row) = (case.assertions.as_slice(), at.to_string());
        let new = NewCase { id, digests: vec![digest], tags, cluster, assertions, row: row.as_bytes() };
        writer.put(new).unwrap();
    }
    writer.finish(Known(all)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::case::case;

    fn ids(cases: &Cases) -> Vec<String> {
        cases.iter().map(|case| case.head.id.into()).collect()
    }

    /// Few are in memory and many in a file; what is read is the same.
    #[test]
    fn cases_come_back_as_they_were() {
        for count in [0, 1, 3, 20_000] {
            let all = cases((0..count).map(|n| case(&format!("c{n}"))).collect());
            assert_eq!(all.store.rows.borrow().is_rolled(), count > 3, "{count}");
            assert_eq!((all.len(), all.is_empty()), (count, count == 0));
            assert!(ids(&all).into_iter().eq((0..count).map(|n| format!("c{n}"))), "{count}");
            assert!(all.get(count).is_none() && all.head(count).is_none());
            let last = count.checked_sub(1).and_then(|last| all.head(last));
            assert_eq!(
                last.map(|head| head.digest),
                count.checked_sub(1).map(|n| Digest::of([format!("c{n}")]))
            );
        }
    }

    #[test]
    fn chosen_ones_keep_their_order_and_what_they_have() {
        let mut all: Vec<Case> = ["a", "b", "c", "d", "e"].map(case).into();
        for (at, cluster) in [(1, "x"), (3, "x"), (4, "y")] {
            all[at].head.cluster = Some(cluster.into());
        }
        let all = cases(all);
        assert_eq!(all.clusters(), Some(vec![0, 1, 2, 1, 4]));
        let some = all.choose(|head| &*head.id != "b");
        assert_eq!(ids(&some), ["a", "c", "d", "e"]);
        assert_eq!(some.clusters(), Some(vec![0, 1, 2, 3]));
        let clustered: Vec<String> = some.with(Feature::Clustered).map(|case| case.head.id.into()).collect();
        assert_eq!(clustered, ["d", "e"]);
        let none = some.choose(|head| head.cluster.is_none());
        assert_eq!((ids(&none), none.clusters()), (vec!["a".to_owned(), "c".to_owned()], None));
        assert!(!none.any(Feature::Clustered) && !all.any(Feature::Judged));
        assert!(some.asked_by(1).get(0).is_none(), "there is no second prompt");
    }
}
