//! Opens the next candidate's connection while the current attempt is slow.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::UntriedCandidates;
use super::next_step::pick_first_available;
use crate::route::router::Router;

/// An attempt is slow after this long without content, or after a quarter of its first-token timeout.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Connections opened in advance. Dropping it at the end of the call cancels unfinished ones.
#[derive(Default)]
pub(super) struct Preconnector {
    base_urls: Vec<String>,
    tasks: JoinSet<()>,
}

impl Preconnector {
    /// Waits until the attempt is slow, then connects to the next candidate, at most once per host and call.
    pub(super) async fn preconnect_next(
        &mut self,
        untried: UntriedCandidates<'_>,
        first_token: Duration,
        has_content: &AtomicBool,
    ) -> Infallible {
        if !untried.state.untried().is_empty() {
            sleep(SLOW_AFTER.min(first_token / 4)).await;
            if let Some(index) = pick_first_available(&untried.availability())
                && !has_content.load(Ordering::Relaxed)
            {
                self.preconnect(untried.router, untried.candidates[index].target.base_url());
            }
        }
        pending().await
    }

    fn preconnect(&mut self, router: &Router, base_url: &str) {
        if self.base_urls.iter().any(|opened| opened == base_url) {
            return;
        }
        self.base_urls.push(base_url.to_owned());
        let (transport, base_url) = (Arc::clone(&router.transport), base_url.to_owned());
        self.tasks.spawn(async move { transport.preconnect(&base_url).await });
    }
}
