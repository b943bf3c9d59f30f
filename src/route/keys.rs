//! Names under which processes share what they know about a candidate.

use super::store::{HealthKey, TargetKeys};
use crate::provider::Target;

/// Base URL in the keys of all simulators, because their port changes with each start.
const SIMULATOR_BASE_URL: &str = "simulator";

/// Scopes of budget reservations, and whether they hold simulated money.
pub(crate) const RESERVATION_SCOPES: [(&str, bool); 2] = [("money", false), ("simulated money", true)];

/// All keys of a target.
pub(super) fn target_keys(target: &Target) -> TargetKeys {
    let health = health_key(target);
    let cooldown = cooldown_key(target, &health);
    TargetKeys { provider_scope: provider_scope(&health), cooldown, health }
}

/// The key of a model's row.
pub(super) fn health_key(target: &Target) -> HealthKey {
    let base_url = if target.provider.simulated { SIMULATOR_BASE_URL } else { target.base_url() };
    let model = &target.model_ref;
    HealthKey { provider: model.provider.clone(), base_url: base_url.to_owned(), model: model.model.clone() }
}

/// The name under which the cooldowns of a target's API key are kept.
fn cooldown_key(target: &Target, health_key: &HealthKey) -> String {
    match target.key_fingerprint() {
        Some(fingerprint) => fingerprint,
        None => format!("{} at {}", health_key.provider, health_key.base_url),
    }
}

/// The scope of a provider's leases and rate buckets.
pub(super) fn provider_scope(key: &HealthKey) -> String {
    format!("{} at {}", key.provider, key.base_url)
}

/// The scope of the tickets of calls that wait for a provider.
pub(super) fn queue_scope(key: &HealthKey) -> String {
    format!("waiting for {} at {}", key.provider, key.base_url)
}

/// The scope of a model's leases.
pub(super) fn model_scope(key: &HealthKey) -> String {
    format!("{}/{} at {}", key.provider, key.model, key.base_url)
}

/// All scopes of a model's calls, except budget reservations.
pub(crate) fn all_scopes(key: &HealthKey) -> [String; 3] {
    [provider_scope(key), queue_scope(key), model_scope(key)]
}
