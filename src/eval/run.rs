//! All cases of a set against one subject, many at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::{Case, CaseResult};
use crate::chat::FailureClass;
use crate::route::{CallOptions, Caller, Route, Router, Silent};

/// Something that a set is run against.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name as it was typed.
    pub name: String,
    /// The route to it.
    pub route: Route,
}

/// How a set is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Cases in flight at once.
    pub concurrency: usize,
    /// Whether to ask for streams on the wire.
    pub stream: bool,
    /// The limit of one call.
    pub timeout: Option<std::time::Duration>,
}

/// Told of every result as it arrives.
pub trait Progress {
    /// One case is done.
    fn done(&mut self, result: &CaseResult);
}

/// How many first cases may end a run.
const FIRST: usize = 3;

/// Runs the cases against a subject. Results come back in the cases' order. A subject that turns out to be hopeless on
/// its first cases is not asked the rest; these are unscored.
pub async fn run(
    router: &Router,
    subject: &Subject,
    cases: &[Case],
    options: &RunOptions,
    progress: &mut dyn Progress,
) -> Vec<CaseResult> {
    let begun = Instant::now();
    let (next, hopeless) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || async {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let case = cases.get(index)?;
        let queued = begun.elapsed();
        if hopeless.load(Ordering::Relaxed) {
            let mut result = CaseResult::unscored(case, queued);
            result.failure =
                Some((FailureClass::Cancelled, "not run: the subject failed on its first cases".into()));
            return Some((index, result));
        }
        let call = CallOptions {
            id: String::new(),
            requested_model: subject.name.clone(),
            stream: options.stream,
            timeout: options.timeout,
            // A case always sees the same arm of a weighted route.
            caller: Caller { label: None, key: Some(case.id.clone()) },
        };
        let record = router.call(&subject.route, &case.request, &call, &mut Silent).await;
        let result = CaseResult::of(case, &record, queued + record.queued);
        if index < FIRST && result.hopeless {
            hopeless.store(true, Ordering::Relaxed);
        }
        Some((index, result))
    };
    let mut running: FuturesUnordered<_> = (0..options.concurrency.max(1)).map(|_| worker()).collect();
    let mut results: Vec<Option<CaseResult>> = cases.iter().map(|_| None).collect();
    while let Some(ended) = running.next().await {
        if let Some((index, result)) = ended {
            progress.done(&result);
            results[index] = Some(result);
            running.push(worker());
        }
    }
    results.into_iter().flatten().collect()
}
