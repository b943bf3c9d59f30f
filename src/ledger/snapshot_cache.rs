//! Snapshots, kept as long as no connection writes to the file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ledger_state::lock;
use super::{Ledger, LedgerTables, SqlResult};
use crate::route::store::{CandidateRows, Snapshot, SnapshotKeys, StoreError};

/// Maximum number of snapshots kept; a process uses few routes.
const MAX_SNAPSHOTS: usize = 64;

/// How long a snapshot is used without checking for changes. Each check locks the file for an instant, and a
/// process may start thousands of calls per second.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The snapshots that were read since the last change.
#[derive(Default)]
pub(super) struct SnapshotCache {
    /// Changes with every write of another connection, and with the connection that is read.
    version: Option<(u64, i64)>,
    checked_at: Option<Instant>,
    snapshots: HashMap<SnapshotKeys, Arc<Snapshot>>,
}

impl Ledger {
    pub(super) fn cached_snapshot(&self, keys: &SnapshotKeys) -> Result<Arc<Snapshot>, StoreError> {
        let cache = lock(&self.snapshots);
        if cache.checked_at.is_some_and(|at| at.elapsed() < CHECK_INTERVAL)
            && let Some(snapshot) = cache.snapshots.get(keys)
        {
            return Ok(Arc::clone(snapshot));
        }
        drop(cache);
        self.read_tables(|rows| {
            let version = rows.data_version()?;
            let mut cache = lock(&self.snapshots);
            if version.is_none() || cache.version != version {
                cache.snapshots.clear();
                cache.version = version;
            }
            cache.checked_at = Some(Instant::now());
            if let Some(snapshot) = cache.snapshots.get(keys) {
                return Ok(Arc::clone(snapshot));
            }
            let snapshot = Arc::new(rows.in_one_read(|rows| load_snapshot(rows, keys))?);
            // What was read may be newer than the version, which only causes another read.
            if version.is_some() && cache.snapshots.len() < MAX_SNAPSHOTS {
                cache.snapshots.insert(keys.clone(), Arc::clone(&snapshot));
            }
            Ok(snapshot)
        })
    }
}

pub(super) fn load_snapshot(rows: &LedgerTables<'_>, keys: &SnapshotKeys) -> SqlResult<Snapshot> {
    let mut candidates = Vec::with_capacity(keys.candidates.len());
    for candidate in &keys.candidates {
        let mut known = CandidateRows::default();
        if let Some(target) = &candidate.target {
            known.health = rows.health(&target.health)?;
            known.cooldowns = rows.cooldowns(&target.cooldown, &target.health.model)?;
            known.adaptive_concurrency = rows.adaptive_concurrency(&target.provider_scope)?;
        }
        if let Some(set_path) = &keys.set_path {
            known.pass_rate = rows.pass_rate(set_path, &candidate.model)?;
        }
        candidates.push(known);
    }
    Ok(Snapshot {
        route_stats: rows.route_stats(&keys.route_stats)?,
        weights: match &keys.weighted_route {
            Some(route) => rows.weights(route)?,
            None => Vec::new(),
        },
        candidates,
    })
}
