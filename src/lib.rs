//! Library behind the `slalom` binary: one interface to many language model providers.
//!
//! Modules are layered, and each depends only on those below it: `command` (one file per subcommand) is at
//! the top, then come `cli`, `config`, and `view`, then `eval`, `route`, `provider`, `dialect`, and `chat`.
//! `catalog` holds model facts, `ledger` stores state across processes, `http_server` is the front end of local
//! servers, and `sim` simulates providers.
//! docs/architecture.md has the details; tests/imports.rs checks the direction of imports.

pub mod catalog;
pub mod chat;
pub(crate) mod cli;
pub mod command;
pub mod config;
pub mod dialect;
pub(crate) mod eval;
pub mod http_server;
pub mod ledger;
pub mod provider;
pub mod route;
pub mod sim;
pub mod view;
