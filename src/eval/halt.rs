//! A run that ends before its end.

use std::cell::Cell;

use tokio::sync::watch;

/// Why a run ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its user wanted it to.
    Interrupted,
    /// So many calls gave nothing to score.
    Errors(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Going,
    /// No call begins any more; those in flight may come to their end.
    Ending,
    /// Nobody waits for anything any more.
    Ended,
}

/// Whether a run goes on. One serves all sets and subjects of a command.
#[derive(Debug)]
pub struct Halt {
    stage: watch::Sender<Stage>,
    why: Cell<Option<Stop>>,
    errors: Cell<u64>,
    most_errors: Option<u64>,
}

impl Halt {
    /// A run that goes on until so many calls gave nothing to score.
    pub fn new(most_errors: Option<u64>) -> Self {
        let (stage, _) = watch::channel(Stage::Going);
        Self { stage, why: Cell::new(None), errors: Cell::new(0), most_errors }
    }

    /// Whether more may begin.
    pub fn goes_on(&self) -> bool {
        *self.stage.borrow() == Stage::Going
    }

    /// Why it ended before its end, if it did.
    pub fn why(&self) -> Option<Stop> {
        self.why.get()
    }

    /// Begins nothing more.
    pub fn end(&self, why: Stop) {
        if self.goes_on() {
            self.why.set(Some(why));
            self.stage.send_replace(Stage::Ending);
        }
    }

    /// Lets go of what is in flight.
    pub fn end_now(&self) {
        self.stage.send_replace(Stage::Ended);
    }

    /// A call gave nothing to score.
    pub(super) fn count_error(&self) {
        let errors = self.errors.get() + 1;
        self.errors.set(errors);
        if self.most_errors.is_some_and(|most| errors >= most) {
            self.end(Stop::Errors(errors));
        }
    }

    /// Waits until nothing more begins.
    pub async fn ending(&self) {
        // The sender lives as long as this does.
        let _ = self.stage.subscribe().wait_for(|stage| *stage != Stage::Going).await;
    }

    /// Waits until nobody waits for anything any more.
    pub(super) async fn ended(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_ends_once_and_says_why() {
        let halt = Halt::new(Some(2));
        halt.count_error();
        assert!(halt.goes_on());
        halt.count_error();
        halt.end(Stop::Interrupted);
        assert_eq!((halt.goes_on(), halt.why()), (false, Some(Stop::Errors(2))));
        halt.ending().await;
        halt.end_now();
        halt.ended().await;
    }
}
