//! Keys and tokens that have to be got before a call is sent, and signatures over what is sent.
//!
//! Finding out *where* they would come from runs nothing and asks nobody: a plan and `check` do it. Getting them happens
//! under the attempt's deadline, once for all attempts, and is held in memory until shortly before it expires. Start
//! with [`Signer`].

mod aws;
mod aws_profile;
mod credential_client;
mod expiring_cache;
mod google;
mod key_command;
mod process;
mod sigv4;
#[cfg(test)]
mod test_host;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

pub(super) use aws::{AwsCredentialSource, AwsSigner};
pub(super) use aws_profile::profile_region;
pub(super) use google::{COMMAND_TOKEN_LIFETIME, GoogleCredentialSource, GoogleTokens};
pub(super) use key_command::KeyCommand;

use super::authorization::KeyPlacement;
use super::{Credential, Environment, OutgoingRequest};
use crate::chat::{Failure, FailureClass, FailurePhase};

/// What authorises requests with something that is not at hand.
#[derive(Debug)]
pub(super) enum Signer {
    /// A key that a command prints.
    Command(KeyCommand),
    /// Signatures with AWS credentials.
    Aws(AwsSigner),
    /// Access tokens for Google Cloud.
    Google(GoogleTokens),
}

impl Signer {
    /// Authorises a request, and says which secrets it holds now.
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
}

impl Signer {
    /// Whether, after these were refused, there may be something else to put on.
    pub(super) fn try_renew(&self, refused: &[Credential], now: SystemTime) -> bool {
        match self {
            Self::Command(command) => command.try_renew(refused, now),
            Self::Aws(_) | Self::Google(_) => false,
        }
    }
}

/// A place for a provider's signer: made at the first use, and the same for all its models.
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

/// What finding credentials of a cloud needs to know of its surroundings.
#[derive(Clone, Copy)]
pub(super) struct CloudEnvironment<'a> {
    /// Looks an environment variable up.
    pub(super) environment: &'a dyn Environment,
    /// Where the machine says what it is.
    pub(super) dmi_folder: &'a Path,
}

impl CloudEnvironment<'_> {
    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// A variable that is set to a key.
    fn key(&self, name: &str) -> Option<String> {
        self.environment.key(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// What the machine says under a name.
    fn read_dmi(&self, name: &str) -> String {
        std::fs::read_to_string(self.dmi_folder.join(name)).unwrap_or_default().trim().to_owned()
    }
}

/// The user's home folder.
pub(super) fn home_folder(environment: &dyn Environment) -> Option<PathBuf> {
    ["HOME", "USERPROFILE"]
        .iter()
        .find_map(|name| environment.variable(name).filter(|v| !v.is_empty()))
        .map(PathBuf::from)
}

/// No credentials, for a reason that the user has to mend.
fn auth_failure(message: impl AsRef<str>) -> Failure {
    Failure::new(FailureClass::Auth, FailurePhase::Connect, message)
}
