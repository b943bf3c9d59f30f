//! A local server that speaks every dialect and injects faults on demand, so that everything can be tested
//! without an API key. It depends on `chat`, `dialect`, and `http_server` only, and shares no code with the
//! graders.
//!
//! The simulator is never given a golden set, only pairs of prompt and reply. Callers mark its results as
//! simulated, and its prices are fictitious.

mod defect;
mod embeddings;
mod fault;
mod fault_injection;
mod judge;
mod model_behavior;
mod model_list;
mod paced_stream;
mod scenario;
mod schema_instance;
mod seeded_rng;
mod simulated_metadata;
mod simulated_response;
mod simulator;
mod tool_caller;

pub(crate) use fault::SimulatedFault;
pub use model_behavior::{LISTED_MODELS, ModelBehavior};
pub use scenario::{SimulatorRule, SimulatorStep};
pub use simulator::{RequestLogEntry, Simulator};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::http_server::ServerLimits;

/// Called for every request.
pub type RequestLogger = Arc<dyn Fn(&RequestLogEntry) + Send + Sync>;

#[derive(Clone)]
pub struct SimulatorConfig {
    /// Port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    pub limits: ServerLimits,
    /// Time per response; `None` picks 20 to 400 ms from the seed, or 1.2 to 3 s for the slow model.
    pub latency: Option<Duration>,
    /// Seed of all random choices, combined with the prompt.
    pub seed: u64,
    /// Replies by prompt (the text of the last user message).
    pub replies: HashMap<String, String>,
    /// Rules for matching requests; the first match applies.
    pub scenario: Vec<SimulatorRule>,
    pub log: Option<RequestLogger>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            port: 0,
            limits: ServerLimits::default(),
            latency: None,
            seed: 1,
            replies: HashMap::new(),
            scenario: Vec::new(),
            log: None,
        }
    }
}
