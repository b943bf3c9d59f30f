//! The failure for missing or invalid credentials, which the user has to fix.

use crate::chat::{Failure, FailureClass, FailurePhase};

pub(super) fn auth_failure(message: impl AsRef<str>) -> Failure {
    Failure::new(FailureClass::Auth, FailurePhase::Connect, message)
}
