//! How a target's requests are authorized: with a known key, or with a signer that gets credentials when a
//! call is sent. Resolving the authorization runs no command and sends no request.

use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::endpoint::required_setting;
use super::key_placement::KeyPlacement;
use super::signer::{
    AwsCredentialSource, AwsSigner, COMMAND_TOKEN_LIFETIME, CloudEnvironment, GoogleCredentialSource,
    GoogleTokens, KeyCommand, Signer, home_folder,
};
use super::{AuthScheme, Credential, Environment, KeySource, OutgoingRequest, Provider, TargetError};
use crate::chat::Failure;

#[derive(Clone, Debug)]
pub(super) struct ResolvedAuthorization {
    pub(super) authorization: Authorization,
    /// Where the key or credentials come from, for display.
    pub(super) origin: String,
}

#[derive(Clone, Debug)]
pub(super) enum Authorization {
    Key(Credential, KeyPlacement),
    /// Gets a key or token, or signs the request, when a call is sent.
    Signer(Arc<Signer>),
}

impl Authorization {
    /// Authorizes a request and returns the secrets that it now contains.
    pub(super) async fn authorize(
        &self,
        outgoing: &mut OutgoingRequest,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        match self {
            Self::Key(key, placement) => {
                placement.attach(key, outgoing);
                Ok(vec![key.clone()])
            }
            Self::Signer(signer) => signer.authorize(outgoing, now).await,
        }
    }

    /// Discards rejected credentials, if possible. Returns whether a retry may get other ones.
    pub(super) fn try_renew(&self, rejected: &[Credential]) -> bool {
        match self {
            Self::Key(..) => false,
            Self::Signer(signer) => signer.try_renew(rejected, SystemTime::now()),
        }
    }
}

impl ResolvedAuthorization {
    /// Identifies a key across runs without revealing it.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        match &self.authorization {
            Authorization::Key(key, _) => hash.update(key.expose()),
            // A signer's keys change, so its origin identifies it.
            Authorization::Signer(_) => hash.update(&self.origin),
        }
        let digest = hash.finalize();
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("key:{hex}")
    }

    /// How requests to a provider are authorized; `None` if no key is needed.
    pub(super) fn resolve(
        provider: &Provider,
        environment: &dyn Environment,
    ) -> Result<Option<Self>, TargetError> {
        let placement = match &provider.auth {
            AuthScheme::None => return Ok(None),
            AuthScheme::Header(name) => KeyPlacement::Header(name.clone()),
            AuthScheme::Query(name) => KeyPlacement::Query(name.clone()),
            AuthScheme::Bearer | AuthScheme::Sigv4 | AuthScheme::Google => KeyPlacement::Bearer,
        };
        let from_variable = |name: &str, placement: &KeyPlacement| {
            let key = Credential::new(&environment.key(name)?)?;
            Some(Self { authorization: Authorization::Key(key, placement.clone()), origin: name.to_owned() })
        };
        let found = match &provider.key_source {
            Some(KeySource::Variable(name)) => from_variable(name, &placement),
            Some(KeySource::File(path)) => Some(Self {
                authorization: Authorization::Key(read_key_file(path, provider, environment)?, placement),
                origin: format!("the file {path}"),
            }),
            Some(KeySource::Command(command)) => Some(Self {
                origin: format!("the command `{}`, run on first use", command.first().map_or("", |c| c)),
                authorization: Authorization::Signer(provider.signer.get_or_init(|| {
                    // Google Cloud tokens expire within an hour.
                    let lifetime = (provider.auth == AuthScheme::Google).then_some(COMMAND_TOKEN_LIFETIME);
                    Signer::Command(KeyCommand::new(command.clone(), placement, lifetime))
                })),
            }),
            None => {
                let mut keys =
                    provider.key_variables.iter().filter_map(|name| from_variable(name, &placement));
                let mut tokens = provider
                    .bearer_variables
                    .iter()
                    .filter_map(|name| from_variable(name, &KeyPlacement::Bearer));
                keys.next().or_else(|| tokens.next())
            }
        };
        if let Some(Self { authorization: Authorization::Key(key, _), .. }) = &found
            && !key.is_header_safe()
        {
            return Err(TargetError::BadKey { provider: provider.name.clone() });
        }
        match found {
            Some(found) => Ok(Some(found)),
            None if provider.auth.is_signed() && provider.key_source.is_none() => {
                resolve_signer(provider, environment).map(Some)
            }
            None if provider.is_key_required() => Err(TargetError::NoKey {
                provider: provider.name.clone(),
                variable: missing_key_variable(provider),
            }),
            None => Ok(None),
        }
    }
}

/// The directory in which Linux exposes the machine's vendor and model.
const DMI_FOLDER: &str = "/sys/class/dmi/id";

fn resolve_signer(
    provider: &Provider,
    environment: &dyn Environment,
) -> Result<ResolvedAuthorization, TargetError> {
    let missing = |why| TargetError::NoCredentials { provider: provider.name.clone(), why };
    // Tests set this variable, so that they do not depend on the machine.
    let dmi_folder = environment.variable("SLALOM_MACHINE_FOLDER").unwrap_or_else(|| DMI_FOLDER.to_owned());
    let clouds = CloudEnvironment { environment, dmi_folder: dmi_folder.as_ref() };
    let (signer, origin) = if provider.auth == AuthScheme::Google {
        let (source, origin) = GoogleCredentialSource::find(&clouds).map_err(missing)?;
        (provider.signer.get_or_init(|| Signer::Google(GoogleTokens::new(source))), origin)
    } else {
        let (source, origin) = AwsCredentialSource::find(&clouds).map_err(missing)?;
        let region = required_setting(provider, "region", environment)?;
        (provider.signer.get_or_init(|| Signer::Aws(AwsSigner::new(source, region))), origin)
    };
    Ok(ResolvedAuthorization { authorization: Authorization::Signer(signer), origin })
}

/// Reads a key from a file with a single line.
fn read_key_file(
    path: &str,
    provider: &Provider,
    environment: &dyn Environment,
) -> Result<Credential, TargetError> {
    let bad_file = |why: &str| TargetError::BadKeyFile {
        provider: provider.name.clone(),
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let file = match path.strip_prefix("~/") {
        Some(rest) => home_folder(environment)
            .ok_or_else(|| bad_file("needs a home directory, but HOME is not set"))?
            .join(rest),
        None => path.into(),
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        bad_file(match error.kind() {
            std::io::ErrorKind::NotFound => "does not exist",
            std::io::ErrorKind::PermissionDenied => "is not readable (permission denied)",
            _ => "cannot be read as UTF-8 text",
        })
    })?;
    let mut lines = text.lines().filter_map(Credential::new);
    match (lines.next(), lines.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(bad_file("is empty")),
        (Some(_), Some(_)) => Err(bad_file("contains more than one line")),
    }
}

fn missing_key_variable(provider: &Provider) -> String {
    match &provider.key_source {
        Some(KeySource::Variable(name)) => name.clone(),
        _ => provider.key_variables.first().cloned().unwrap_or_else(|| "its key".to_owned()),
    }
}
