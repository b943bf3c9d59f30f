//! A server that speaks every dialect, with faults on demand, so that everything runs on a machine without a key.
//!
//! It is honest: whoever uses it marks what came from it as simulated, its prices are fiction, and what it is handed is
//! plain pairs of prompt and reply, never a golden set. It shares no code with what grades its answers. Start with
//! [`Behaviour`]; [`Simulator::start`] runs it.

mod defect;
mod embeddings;
mod fault;
mod fault_injection;
mod judge;
mod model_behavior;
mod model_list;
mod scenario;
mod schema_instance;
mod seeded_rng;
mod simulated_response;
mod simulator;
mod tool_caller;

pub use fault::SimulatedFault;
pub use model_behavior::{LISTED_MODELS, ModelBehavior};
pub use scenario::{SimulatorRule, SimulatorStep};
pub use simulator::{RequestLogEntry, Simulator};
pub use tool_caller::TOOL_CALL_ROUNDS;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Told of requests.
pub type RequestLogger = Arc<dyn Fn(&RequestLogEntry) + Send + Sync>;

/// How a simulator is set up.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// How long an answer takes; `None` is a seeded 20 to 400 ms.
    pub latency: Option<Duration>,
    /// What every choice of the simulator is drawn from, together with the prompt.
    pub seed: u64,
    /// What the models say to which prompt (the text of the last user turn).
    pub replies: HashMap<String, String>,
    /// What to do with some requests in particular; the first rule that matches holds.
    pub scenario: Vec<SimulatorRule>,
    /// Told of every request.
    pub log: Option<RequestLogger>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: None,
            seed: 1,
            replies: HashMap::new(),
            scenario: Vec::new(),
            log: None,
        }
    }
}
