//! What is known of models: windows, prices, refused parameters; token estimates and costs from them.
//!
//! A side room that knows only `chat`. It never calls anybody and never guesses: what no source says is unknown.
//! Start with [`Catalog`].

mod cost;
mod estimate;
mod rows;

pub use cost::{Cost, CostSource, NanoDollars, Price, Pricing, price_of, usd_to_nano};
pub use estimate::{estimated_tokens, estimated_usage, most_tokens};
pub use rows::{Catalog, ModelFacts};

/// The day on which the shipped rows were collected.
pub const CATALOG_DATE: &str = "2026-11-21";
