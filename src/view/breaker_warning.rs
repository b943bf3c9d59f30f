//! The warning that a circuit breaker opened.

use crate::route::BreakerOpened;

pub(crate) fn breaker_warning(opened: &BreakerOpened) -> String {
    let seconds = opened.duration.as_secs_f64();
    format!("circuit breaker for {} opened ({}); skipping it for {seconds:.0} s", opened.model, opened.class)
}
