//! The next candidate's connection, opened while the one before it is running long.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::CandidateState;
use super::next_step::{pick_first_available, untried_availability};
use crate::route::Router;

/// An attempt runs long when it has had no content for so long, or for a quarter of its first-token timer.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Connections that a call has opened ahead of need. What is not done by the call's end is let go with it.
#[derive(Default)]
pub(super) struct Preconnector {
    base_urls: Vec<String>,
    tasks: JoinSet<()>,
}

impl Preconnector {
    /// Waits until an attempt runs long, and then opens the next candidate's connection, once in a call for each host.
    pub(super) async fn preconnect_next(
        &mut self,
        router: &Router,
        runners: &[CandidateState<'_>],
        first_token: Duration,
        content: &AtomicBool,
    ) -> Infallible {
        if runners.iter().any(CandidateState::is_untried) {
            sleep(SLOW_AFTER.min(first_token / 4)).await;
            let standings = untried_availability(&router.health, runners);
            if let Some(index) = pick_first_available(&standings)
                && !content.load(Ordering::Relaxed)
            {
                self.preconnect(router, runners[index].target.base_url());
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
