//! How a target's requests are authorised: with a key at hand, or with what a signer gets when a call is about to be
//! sent. Looking runs no command and asks no network.

use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::endpoint::required_setting;
use super::outgoing_request::{append_query, set_header};
use super::signer::{
    AwsCredentialSource, AwsSigner, COMMAND_TOKEN_LIFETIME, CloudEnvironment, GoogleCredentialSource,
    GoogleTokens, KeyCommand, Signer, home_folder,
};
use super::{AuthScheme, Credential, Environment, KeySource, OutgoingRequest, Provider, TargetError};
use crate::chat::Failure;

/// What authorises requests, and where it was found.
#[derive(Clone, Debug)]
pub(super) struct ResolvedAuthorization {
    pub(super) authorization: Authorization,
    /// In words.
    pub(super) origin: String,
}

#[derive(Clone, Debug)]
pub(super) enum Authorization {
    /// A key at hand, and where it goes.
    Key(Credential, KeyPlacement),
    /// What has to be got first, or computed from the request.
    Signer(Arc<Signer>),
}

/// Where a key goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyPlacement {
    Bearer,
    Header(String),
    Query(String),
}

impl KeyPlacement {
    /// Puts a key into a request.
    pub(super) fn attach(&self, key: &Credential, outgoing: &mut OutgoingRequest) {
        match self {
            Self::Bearer => {
                set_header(outgoing, "authorization", format!("Bearer {}", key.expose()));
            }
            Self::Header(name) => set_header(outgoing, name, key.expose().to_owned()),
            Self::Query(name) => append_query(&mut outgoing.url, name, key.expose()),
        }
    }
}

impl Authorization {
    /// Authorises a request, and says which secrets it holds now.
    pub(super) async fn authorize(
        &self,
        outgoing: &mut OutgoingRequest,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        match self {
            Self::Key(key, carrier) => {
                carrier.attach(key, outgoing);
                Ok(vec![key.clone()])
            }
            Self::Signer(signer) => signer.authorize(outgoing, now).await,
        }
    }
}

impl Authorization {
    /// Whether, after these were refused, there may be something else to put on.
    pub(super) fn try_renew(&self, refused: &[Credential]) -> bool {
        match self {
            Self::Key(..) => false,
            Self::Signer(signer) => signer.try_renew(refused, SystemTime::now()),
        }
    }
}

impl ResolvedAuthorization {
    /// A mark by which the same key is known again, and from which it cannot be found out.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        match &self.authorization {
            Authorization::Key(key, _) => hash.update(key.expose()),
            // What is got at each call is known by where it comes from.
            Authorization::Signer(_) => hash.update(&self.origin),
        }
        let digest = hash.finalize();
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("key:{hex}")
    }

    /// What authorises requests to a provider; `None` where none is needed.
    pub(super) fn resolve(
        provider: &Provider,
        environment: &dyn Environment,
    ) -> Result<Option<Self>, TargetError> {
        let carrier = match &provider.auth {
            AuthScheme::None => return Ok(None),
            AuthScheme::Header(name) => KeyPlacement::Header(name.clone()),
            AuthScheme::Query(name) => KeyPlacement::Query(name.clone()),
            AuthScheme::Bearer | AuthScheme::Sigv4 | AuthScheme::Google => KeyPlacement::Bearer,
        };
        let of = |name: &str, carrier: &KeyPlacement| {
            let key = Credential::new(&environment.key(name)?)?;
            Some(Self { authorization: Authorization::Key(key, carrier.clone()), origin: name.to_owned() })
        };
        let found = match &provider.key_source {
            Some(KeySource::Variable(name)) => of(name, &carrier),
            Some(KeySource::File(path)) => Some(Self {
                authorization: Authorization::Key(read_key_file(path, provider, environment)?, carrier),
                origin: format!("the file {path}"),
            }),
            Some(KeySource::Command(command)) => Some(Self {
                origin: format!("the command `{}`, run at the first call", command.first().map_or("", |c| c)),
                authorization: Authorization::Signer(provider.signer.get_or_init(|| {
                    // A token for Google Cloud ends within the hour.
                    let lasts = (provider.auth == AuthScheme::Google).then_some(COMMAND_TOKEN_LIFETIME);
                    Signer::Command(KeyCommand::new(command.clone(), carrier, lasts))
                })),
            }),
            None => {
                let mut keys = provider.key_variables.iter().filter_map(|name| of(name, &carrier));
                let mut tokens =
                    provider.bearer_variables.iter().filter_map(|name| of(name, &KeyPlacement::Bearer));
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

/// Where Linux says what machine it runs on.
const DMI_FOLDER: &str = "/sys/class/dmi/id";

fn resolve_signer(
    provider: &Provider,
    environment: &dyn Environment,
) -> Result<ResolvedAuthorization, TargetError> {
    let missing = |why| TargetError::NoCredentials { provider: provider.name.clone(), why };
    // Said otherwise by tests, which must not depend on where they run.
    let machine = environment.variable("SLALOM_MACHINE_FOLDER").unwrap_or_else(|| DMI_FOLDER.to_owned());
    let clouds = CloudEnvironment { environment, dmi_folder: machine.as_ref() };
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

/// The only line of a file.
fn read_key_file(
    path: &str,
    provider: &Provider,
    environment: &dyn Environment,
) -> Result<Credential, TargetError> {
    let wrong = |why: &str| TargetError::BadKeyFile {
        provider: provider.name.clone(),
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let place = match path.strip_prefix("~/") {
        Some(rest) => home_folder(environment)
            .ok_or_else(|| wrong("is in a home folder, and HOME is not set"))?
            .join(rest),
        None => path.into(),
    };
    let text = std::fs::read_to_string(place).map_err(|error| {
        wrong(match error.kind() {
            std::io::ErrorKind::NotFound => "is not there",
            std::io::ErrorKind::PermissionDenied => "may not be read",
            _ => "cannot be read as text",
        })
    })?;
    let mut lines = text.lines().filter_map(Credential::new);
    match (lines.next(), lines.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(wrong("is empty")),
        (Some(_), Some(_)) => Err(wrong("holds more than one line, where the key alone belongs")),
    }
}

fn missing_key_variable(provider: &Provider) -> String {
    match &provider.key_source {
        Some(KeySource::Variable(name)) => name.clone(),
        _ => provider.key_variables.first().cloned().unwrap_or_else(|| "its key".to_owned()),
    }
}
