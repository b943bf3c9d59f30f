//! The cases of a set, rendered on demand because a set may not fit in memory.
//!
//! Each case is stored as a row of bytes: in memory for a small set, in an unnamed temporary file for a large
//! one. A run keeps using the rows it loaded, even if the set changes on disk.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tempfile::{SpooledTempFile, spooled_tempfile};

use super::{
    Assertion, CallMetric, Case, CaseMetadata, CasePrompt, Digest, DigestBytes, GraderTask,
    collect_grader_tasks,
};

/// Sets larger than this move to a temporary file.
const MAX_BYTES_IN_MEMORY: usize = 1 << 20;

pub(crate) trait CaseRenderer: Send + Sync {
    /// Renders a case with one of the set's prompts; `None` if it can no longer be rendered.
    fn render_case(&self, metadata: CaseMetadata, row: &[u8], prompt: usize) -> Option<Case>;

    /// Like `render_case`, for uses that need no assertions.
    fn render_prompt(&self, metadata: CaseMetadata, row: &[u8], prompt: usize) -> Option<CasePrompt>;
}

/// A property stored for each case, so that it is known without rendering the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseFeature {
    Clustered,
    /// Needs a judge, embeddings, or a program.
    NeedsGrader,
    RunsProgram,
    HasLimitOn(CallMetric),
}

impl CaseFeature {
    fn bit(self) -> u8 {
        1 << match self {
            Self::Clustered => 0,
            Self::NeedsGrader => 1,
            Self::RunsProgram => 2,
            Self::HasLimitOn(CallMetric::LatencyMilliseconds) => 3,
            Self::HasLimitOn(CallMetric::FirstTokenMilliseconds) => 4,
            Self::HasLimitOn(CallMetric::CostUsd) => 5,
            Self::HasLimitOn(CallMetric::OutputTokens) => 6,
        }
    }

    fn to_bits(cluster: Option<&str>, tasks: &[&GraderTask], assertions: &[Assertion]) -> u8 {
        let has_limit = |metric| assertions.iter().any(|assertion| assertion.check.has_limit_on(metric));
        let flags = [
            (Self::Clustered, cluster.is_some()),
            (Self::NeedsGrader, !tasks.is_empty()),
            (Self::RunsProgram, tasks.iter().any(|task| matches!(task, GraderTask::Program(_)))),
        ];
        let all = flags
            .into_iter()
            .chain(CallMetric::ALL.map(|metric| (Self::HasLimitOn(metric), has_limit(metric))));
        all.filter(|(_, has)| *has).fold(0, |bits, (feature, _)| bits | feature.bit())
    }
}

/// Models named by the assertions of a set, as written.
#[derive(Debug, Default)]
pub struct GraderModels {
    pub judges: BTreeSet<String>,
    pub embedders: BTreeSet<String>,
}

/// A line of JSON at the start of a row, after one digest per prompt.
#[derive(Serialize, Deserialize)]
struct CaseRowHeader {
    id: Box<str>,
    tags: Vec<String>,
    cluster: Option<Box<str>>,
}

pub(crate) struct NewCase<'a> {
    pub id: Box<str>,
    /// One per prompt of the set.
    pub digests: Vec<Digest>,
    pub tags: Vec<String>,
    pub cluster: Option<Box<str>>,
    pub assertions: &'a [Assertion],
    /// Passed to [`CaseRenderer::render_case`].
    pub row: &'a [u8],
}

pub(crate) struct CasesWriter {
    rows: BufWriter<SpooledTempFile>,
    /// Digests per row.
    digest_count: usize,
    ends: Vec<u64>,
    features: Vec<u8>,
    grader_models: GraderModels,
}

impl Default for CasesWriter {
    fn default() -> Self {
        Self {
            rows: BufWriter::new(spooled_tempfile(MAX_BYTES_IN_MEMORY)),
            digest_count: 0,
            ends: Vec::new(),
            features: Vec::new(),
            grader_models: GraderModels::default(),
        }
    }
}

impl CasesWriter {
    pub(crate) fn add(&mut self, new: NewCase<'_>) -> io::Result<()> {
        let tasks = collect_grader_tasks(new.assertions);
        self.features.push(CaseFeature::to_bits(new.cluster.as_deref(), &tasks, new.assertions));
        for task in tasks {
            let (names, name) = match task {
                GraderTask::Judge { judge, .. } => (&mut self.grader_models.judges, judge),
                GraderTask::Similarity { model, .. } => (&mut self.grader_models.embedders, model),
                GraderTask::Program(_) => continue,
            };
            if !names.contains(name) {
                names.insert(name.clone());
            }
        }
        self.digest_count = new.digests.len();
        let mut bytes: Vec<u8> = new.digests.iter().flat_map(Digest::as_bytes).copied().collect();
        let header = CaseRowHeader { id: new.id, tags: new.tags, cluster: new.cluster };
        serde_json::to_writer(&mut bytes, &header)?;
        bytes.push(b'\n');
        bytes.extend(new.row);
        self.rows.write_all(&bytes).map_err(|error| with_temp_dir(&error))?;
        let start = self.ends.last().copied().unwrap_or(0);
        self.ends.push(start + bytes.len() as u64);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cases, with the set's first prompt selected.
    pub(crate) fn finish(mut self, render: impl CaseRenderer + 'static) -> io::Result<Cases> {
        self.ends.shrink_to_fit();
        self.features.shrink_to_fit();
        let rows = self.rows.into_inner().map_err(|error| with_temp_dir(error.error()))?;
        let store = CaseStore {
            rows: Mutex::new(RowReader { file: BufReader::new(rows), position: None }),
            digest_count: self.digest_count,
            ends: self.ends,
            features: self.features,
            grader_models: self.grader_models,
            render: Box::new(render),
        };
        Ok(Cases { store: Arc::new(store), selected: None, prompt: 0 })
    }
}

/// Adds the path of the temporary folder to an I/O error.
fn with_temp_dir(error: &io::Error) -> io::Error {
    let folder = tempfile::env::temp_dir();
    io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
}

/// Reads rows through a buffer, because they are mostly read in order.
struct RowReader {
    file: BufReader<SpooledTempFile>,
    /// The end of the last row read; `None` if there is none.
    position: Option<u64>,
}

impl RowReader {
    fn read_row(&mut self, range: Range<u64>) -> Option<Vec<u8>> {
        let mut row = vec![0; usize::try_from(range.end - range.start).ok()?];
        // Unlike `seek`, `seek_relative` keeps the buffer.
        match self.position.take() {
            Some(position) => self.file.seek_relative(range.start.checked_signed_diff(position)?).ok()?,
            None => drop(self.file.seek(SeekFrom::Start(range.start)).ok()?),
        }
        self.file.read_exact(&mut row).ok()?;
        self.position = Some(range.end);
        Some(row)
    }
}

struct CaseStore {
    rows: Mutex<RowReader>,
    digest_count: usize,
    /// End offset of each row; the first starts at 0.
    ends: Vec<u64>,
    features: Vec<u8>,
    grader_models: GraderModels,
    render: Box<dyn CaseRenderer>,
}

impl CaseStore {
    fn read_row(&self, index: usize) -> Option<Vec<u8>> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|previous| self.ends.get(previous)).copied().unwrap_or(0);
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).read_row(start..end)
    }
}

/// Cases of a set in file order, with one of its prompts selected. Cheap to clone.
#[derive(Clone)]
pub struct Cases {
    store: Arc<CaseStore>,
    /// Indexes of the selected cases; `None` selects all.
    selected: Option<Arc<[u32]>>,
    prompt: usize,
}

impl Cases {
    pub fn len(&self) -> usize {
        self.selected.as_ref().map_or(self.store.ends.len(), |selected| selected.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `None` past the end, or when the row can no longer be read.
    pub fn get(&self, index: usize) -> Option<Case> {
        let row = self.store.read_row(self.store_index(index)?)?;
        let (metadata, rest) = self.decode_row(&row)?;
        self.store.render.render_case(metadata, rest, self.prompt)
    }

    pub fn first(&self) -> Option<Case> {
        self.get(0)
    }

    pub fn head(&self, index: usize) -> Option<CaseMetadata> {
        let row = self.store.read_row(self.store_index(index)?)?;
        Some(self.decode_row(&row)?.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = Case> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The prompts of the cases. Takes less time than the cases.
    pub(crate) fn prompts(&self) -> impl Iterator<Item = CasePrompt> {
        (0..self.len()).filter_map(|index| {
            let row = self.store.read_row(self.store_index(index)?)?;
            let (metadata, rest) = self.decode_row(&row)?;
            self.store.render.render_prompt(metadata, rest, self.prompt)
        })
    }

    pub fn heads(&self) -> impl Iterator<Item = CaseMetadata> {
        (0..self.len()).filter_map(|index| self.head(index))
    }

    pub fn with_feature(&self, feature: CaseFeature) -> impl Iterator<Item = Case> {
        (0..self.len())
            .filter(move |index| self.case_has_feature(*index, feature))
            .filter_map(|index| self.get(index))
    }

    pub fn has_feature(&self, feature: CaseFeature) -> bool {
        (0..self.len()).any(|index| self.case_has_feature(index, feature))
    }

    #[must_use]
    pub fn with_prompt(&self, prompt: usize) -> Self {
        Self { prompt, ..self.clone() }
    }

    #[must_use]
    pub fn filter(&self, mut wanted: impl FnMut(&CaseMetadata) -> bool) -> Self {
        let indexed = (0..self.len()).filter_map(|index| Some((self.store_index(index)?, self.head(index)?)));
        let selected = indexed
            .filter(|(_, metadata)| wanted(metadata))
            .filter_map(|(store_index, _)| u32::try_from(store_index).ok());
        Self { selected: Some(selected.collect()), ..self.clone() }
    }

    /// Models named in the whole set, not only in the selected cases.
    pub fn grader_models(&self) -> &GraderModels {
        &self.store.grader_models
    }

    /// For each case, the index of the first case in its cluster; `None` if no case has a cluster.
    pub fn cluster_indices(&self) -> Option<Vec<u32>> {
        if !self.has_feature(CaseFeature::Clustered) {
            return None;
        }
        let mut first: HashMap<Box<str>, u32> = HashMap::new();
        let key = |(number, index): (u32, usize)| match self.head(index).and_then(|head| head.cluster) {
            Some(cluster) => *first.entry(cluster).or_insert(number),
            None => number,
        };
        Some((0..).zip(0..self.len()).map(key).collect())
    }

    fn store_index(&self, index: usize) -> Option<usize> {
        match &self.selected {
            None => Some(index),
            Some(selected) => selected.get(index).map(|store_index| *store_index as usize),
        }
    }

    fn case_has_feature(&self, index: usize, feature: CaseFeature) -> bool {
        let features = self.store_index(index).and_then(|index| self.store.features.get(index));
        features.is_some_and(|features| features & feature.bit() != 0)
    }

    fn decode_row<'r>(&self, row: &'r [u8]) -> Option<(CaseMetadata, &'r [u8])> {
        let (digests, row) = row.split_at_checked(self.store.digest_count * size_of::<DigestBytes>())?;
        let digest = Digest::from_bytes(*digests.as_chunks().0.get(self.prompt)?);
        // Serialized JSON contains no raw line break.
        let end = row.iter().position(|byte| *byte == b'\n')?;
        let (header, rest) = row.split_at(end);
        let CaseRowHeader { id, tags, cluster } = serde_json::from_slice(header).ok()?;
        Some((CaseMetadata { id, digest, tags, cluster }, rest.get(1..)?))
    }
}

impl fmt::Debug for Cases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = (0..self.len().min(3)).filter_map(|index| Some(self.head(index)?.id));
        f.debug_struct("Cases").field("len", &self.len()).field("first", &ids.collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
pub(crate) fn build_cases(all: Vec<Case>) -> Cases {
    struct InMemoryRenderer(Vec<Case>);
    impl CaseRenderer for InMemoryRenderer {
        fn render_case(&self, metadata: CaseMetadata, row: &[u8], _: usize) -> Option<Case> {
            let index: usize = serde_json::from_slice(row).ok()?;
            Some(Case { metadata, ..self.0.get(index)?.clone() })
        }

        fn render_prompt(&self, metadata: CaseMetadata, row: &[u8], prompt: usize) -> Option<CasePrompt> {
            let Case { metadata, request, reference, .. } = self.render_case(metadata, row, prompt)?;
            Some(CasePrompt { metadata, request, reference })
        }
    }
    let mut writer = CasesWriter::default();
    for (index, case) in all.iter().enumerate() {
        let CaseMetadata { id, digest, tags, cluster } = case.metadata.clone();
        let (assertions, row) = (case.assertions.as_slice(), index.to_string());
        let new = NewCase { id, digests: vec![digest], tags, cluster, assertions, row: row.as_bytes() };
        writer.add(new).unwrap();
    }
    writer.finish(InMemoryRenderer(all)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::case::case;

    fn ids(cases: &Cases) -> Vec<String> {
        cases.iter().map(|case| case.metadata.id.into()).collect()
    }

    /// A small set stays in memory and a large one uses a file; both read back unchanged.
    #[test]
    fn stored_cases_read_back_unchanged() {
        for count in [0, 1, 3, 20_000] {
            let all = build_cases((0..count).map(|n| case(&format!("c{n}"))).collect());
            assert_eq!(all.store.rows.lock().unwrap().file.get_ref().is_rolled(), count > 3, "{count}");
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
    fn filter_keeps_metadata_in_case_order() {
        let mut all: Vec<Case> = ["a", "b", "c", "d", "e"].map(case).into();
        for (at, cluster) in [(1, "x"), (3, "x"), (4, "y")] {
            all[at].metadata.cluster = Some(cluster.into());
        }
        let all = build_cases(all);
        assert_eq!(all.cluster_indices(), Some(vec![0, 1, 2, 1, 4]));
        let some = all.filter(|head| &*head.id != "b");
        assert_eq!(ids(&some), ["a", "c", "d", "e"]);
        assert_eq!(some.cluster_indices(), Some(vec![0, 1, 2, 3]));
        let clustered: Vec<String> =
            some.with_feature(CaseFeature::Clustered).map(|case| case.metadata.id.into()).collect();
        assert_eq!(clustered, ["d", "e"]);
        let none = some.filter(|head| head.cluster.is_none());
        assert_eq!((ids(&none), none.cluster_indices()), (vec!["a".to_owned(), "c".to_owned()], None));
        assert!(!none.has_feature(CaseFeature::Clustered) && !all.has_feature(CaseFeature::NeedsGrader));
        assert!(some.with_prompt(1).get(0).is_none(), "a second prompt does not exist");
    }
}
