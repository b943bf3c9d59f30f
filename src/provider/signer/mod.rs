//! Keys and tokens that are fetched before a call is sent, and request signing. Finding out *where* they come
//! from runs no command and sends no request, so a plan and `check` can do it. They are fetched once for all
//! attempts, within the attempt's deadline, and stay in memory until shortly before they expire. Depends on
//! `chat`, `dialect`, and `provider`'s credential, environment, and transport types, but on no provider row.

mod auth_failure;
mod aws;
mod aws_profile;
mod cloud_environment;
mod credential_client;
mod expiring_cache;
mod google;
mod key_command;
mod process;
mod sigv4;
#[cfg(test)]
mod test_host;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

pub(super) use aws::{AwsCredentialSource, AwsSigner};
pub(super) use aws_profile::profile_region;
pub(super) use cloud_environment::{CloudEnvironment, home_folder};
pub(super) use google::{COMMAND_TOKEN_LIFETIME, GoogleCredentialSource, GoogleTokens};
pub(super) use key_command::KeyCommand;

use super::key_placement::KeyPlacement;
use super::{Credential, OutgoingRequest};
use crate::chat::Failure;

/// Authorizes requests with a key, token, or signature that is not known in advance.
#[derive(Debug)]
pub(super) enum Signer {
    Command(KeyCommand),
    Aws(AwsSigner),
    Google(GoogleTokens),
}

impl Signer {
    /// Authorizes a request and returns the secrets that it now contains.
    pub(super) async fn authorize(
        &self,
        outgoing: &mut OutgoingRequest,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        match self {
            Self::Command(command) => command.authorize(outgoing, now).await,
            Self::Aws(aws) => aws.sign(outgoing, now).await,
            Self::Google(google) => {
                let token = google.token(now).await?;
                KeyPlacement::Bearer.attach(&token, outgoing);
                Ok(vec![token])
            }
        }
    }

    /// Discards rejected credentials, if possible. Returns whether a retry may get other ones.
    pub(super) fn try_renew(&self, rejected: &[Credential], now: SystemTime) -> bool {
        match self {
            Self::Command(command) => command.try_renew(rejected, now),
            Self::Aws(_) | Self::Google(_) => false,
        }
    }
}

/// A provider's signer, created on first use and shared by all its models.
#[derive(Clone, Default)]
pub struct SharedSigner(Arc<OnceLock<Arc<Signer>>>);

impl SharedSigner {
    pub(super) fn get_or_init(&self, make: impl FnOnce() -> Signer) -> Arc<Signer> {
        Arc::clone(self.0.get_or_init(|| Arc::new(make())))
    }
}

impl fmt::Debug for SharedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSigner")
    }
}
