//! A server that speaks every dialect, with faults on demand, so that everything runs on a machine without a key.
//!
//! It is honest: whoever uses it marks what came from it as simulated, its prices are fiction, and what it is handed is
//! plain pairs of prompt and reply, never a golden set. It shares no code with what grades its answers. Start with
//! [`Behaviour`]; [`Simulator::start`] runs it.

mod answer;
mod behaviour;
mod defect;
mod fault;
mod frames;
mod instance;
mod judge;
mod list;
mod scenario;
mod seed;
mod serve;
mod tools;
mod vectors;

pub use behaviour::{Behaviour, MODELS};
pub use fault::Fault;
pub use scenario::{Rule, Step};
pub use serve::{LogLine, Simulator};
pub use tools::TOOL_TURNS;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Told of requests.
pub type Log = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// How a simulator is set up.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// How long an answer takes; `None` is a seeded 20 to 400 ms.
    pub latency: Option<Duration>,
    /// What every choice of the simulator is drawn from, together with the prompt.
    pub seed: u64,
    /// What the models say to which prompt (the text of the last user turn).
    pub replies: HashMap<String, String>,
    /// What to do with some requests in particular; the first rule that matches holds.
    pub rules: Vec<Rule>,
    /// Told of every request.
    pub log: Option<Log>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: None,
            seed: 1,
            replies: HashMap::new(),
            rules: Vec::new(),
            log: None,
        }
    }
}
