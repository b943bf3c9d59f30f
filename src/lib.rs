//! One contract for every language model.
//!
//! `slalom` is one binary over this library. A prompt takes one way through it, and every room on that way knows only
//! the rooms below it: `command` (one story per subcommand) over `cli`, `config` and `view`, over `eval`, `route`,
//! `provider`, `dialect` and `chat`. `catalog` holds model facts, `ledger` is what outlives a process, `sim` is a
//! simulator for everything. The page docs/architecture.md tells the whole story; a test holds the direction of imports.

pub mod catalog;
pub mod chat;
pub mod cli;
pub mod command;
pub mod config;
pub mod dialect;
pub mod eval;
pub mod ledger;
pub mod provider;
pub mod route;
pub mod sim;
pub mod view;
