//! The simulator's models in each dialect's list format.

use serde_json::Value;

use super::LISTED_MODELS;
use super::simulated_metadata::created_at;
use crate::dialect::{ServedModel, ServedModelList};

pub(super) fn encode_model_list(list: &ServedModelList) -> Value {
    let listed = LISTED_MODELS.map(|id| ServedModel { id, created_at: created_at(), owner: "simulator" });
    (list.encode)(&listed)
}
