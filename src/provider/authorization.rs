//! How a target's requests are authorised: with a key at hand, or with what a signer gets when a call is about to be
//! sent. Looking runs no command and asks no network.

use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::place::required;
use super::request::{put_header, put_query};
use super::signer::{Aws, AwsSource, Clouds, Command, GCLOUD_KEPT, Google, GoogleSource, Signer, home};
use super::{Auth, Credential, Environment, KeySource, Outgoing, Provider, TargetError};
use crate::chat::Failure;

/// What authorises requests, and where it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) authorization: Authorization,
    /// In words.
    pub(super) origin: String,
}

#[derive(Clone, Debug)]
pub(super) enum Authorization {
    /// A key at hand, and where it goes.
    Key(Credential, Carrier),
    /// What has to be got first, or computed from the request.
    Signer(Arc<Signer>),
}

/// Where a key goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Bearer,
    Header(String),
    Query(String),
}

impl Carrier {
    /// Puts a key into a request.
    pub(super) fn put(&self, key: &Credential, outgoing: &mut Outgoing) {
        match self {
            Self::Bearer => {
                put_header(outgoing, "authorization", format!("Bearer {}", key.expose()));
            }
            Self::Header(name) => put_header(outgoing, name, key.expose().to_owned()),
            Self::Query(name) => put_query(&mut outgoing.url, name, key.expose()),
        }
    }
}

impl Authorization {
    /// Authorises a request, and says which secrets it holds now.
    pub(super) async fn put(
        &self,
        outgoing: &mut Outgoing,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        match self {
            Self::Key(key, carrier) => {
                carrier.put(key, outgoing);
                Ok(vec![key.clone()])
            }
            Self::Signer(signer) => signer.put(outgoing, now).await,
        }
    }
}

impl Authorization {
    /// Whether, after these were refused, there may be something else to put on.
    pub(super) fn renew(&self, refused: &[Credential]) -> bool {
        match self {
            Self::Key(..) => false,
            Self::Signer(signer) => signer.renew(refused, SystemTime::now()),
        }
    }
}

impl Found {
    /// A mark by which the same key is known again, and from which it cannot be found out.
    pub(super) fn print(&self) -> String {
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
    pub(super) fn look(
        provider: &Provider,
        environment: &dyn Environment,
    ) -> Result<Option<Self>, TargetError> {
        let carrier = match &provider.auth {
            Auth::None => return Ok(None),
            Auth::Header(name) => Carrier::Header(name.clone()),
            Auth::Query(name) => Carrier::Query(name.clone()),
            Auth::Bearer | Auth::Sigv4 | Auth::Google => Carrier::Bearer,
        };
        let of = |name: &str, carrier: &Carrier| {
            let key = Credential::new(&environment.key(name)?)?;
            Some(Self { authorization: Authorization::Key(key, carrier.clone()), origin: name.to_owned() })
        };
        let found = match &provider.key_source {
            Some(KeySource::Variable(name)) => of(name, &carrier),
            Some(KeySource::File(path)) => Some(Self {
                authorization: Authorization::Key(read(path, provider, environment)?, carrier),
                origin: format!("the file {path}"),
            }),
            Some(KeySource::Command(command)) => Some(Self {
                origin: format!("the command `{}`, run at the first call", command.first().map_or("", |c| c)),
                authorization: Authorization::Signer(provider.signer.get(|| {
                    // A token for Google Cloud ends within the hour.
                    let lasts = (provider.auth == Auth::Google).then_some(GCLOUD_KEPT);
                    Signer::Command(Command::new(command.clone(), carrier, lasts))
                })),
            }),
            None => {
                let mut keys = provider.key_variables.iter().filter_map(|name| of(name, &carrier));
                let mut tokens =
                    provider.bearer_variables.iter().filter_map(|name| of(name, &Carrier::Bearer));
                keys.next().or_else(|| tokens.next())
            }
        };
        if let Some(Self { authorization: Authorization::Key(key, _), .. }) = &found
            && !key.is_plain()
        {
            return Err(TargetError::BadKey { provider: provider.name.clone() });
        }
        match found {
            Some(found) => Ok(Some(found)),
            None if provider.auth.signs() && provider.key_source.is_none() => {
                signing(provider, environment).map(Some)
            }
            None if provider.needs_key() => Err(TargetError::NoKey {
                provider: provider.name.clone(),
                variable: wanted_variable(provider),
            }),
            None => Ok(None),
        }
    }
}

/// Where Linux says what machine it runs on.
const MACHINE: &str = "/sys/class/dmi/id";

fn signing(provider: &Provider, environment: &dyn Environment) -> Result<Found, TargetError> {
    let missing = |why| TargetError::NoCredentials { provider: provider.name.clone(), why };
    // Said otherwise by tests, which must not depend on where they run.
    let machine = environment.variable("SLALOM_MACHINE_FOLDER").unwrap_or_else(|| MACHINE.to_owned());
    let clouds = Clouds { environment, machine: machine.as_ref() };
    let (signer, origin) = if provider.auth == Auth::Google {
        let (source, origin) = GoogleSource::find(&clouds).map_err(missing)?;
        (provider.signer.get(|| Signer::Google(Google::new(source))), origin)
    } else {
        let (source, origin) = AwsSource::find(&clouds).map_err(missing)?;
        let region = required(provider, "region", environment)?;
        (provider.signer.get(|| Signer::Aws(Aws::new(source, region))), origin)
    };
    Ok(Found { authorization: Authorization::Signer(signer), origin })
}

/// The only line of a file.
fn read(path: &str, provider: &Provider, environment: &dyn Environment) -> Result<Credential, TargetError> {
    let wrong = |why: &str| TargetError::KeyFile {
        provider: provider.name.clone(),
        path: path.to_owned(),
        why: why.to_owned(),
    };
    let place = match path.strip_prefix("~/") {
        Some(rest) => {
            home(environment).ok_or_else(|| wrong("is in a home folder, and HOME is not set"))?.join(rest)
        }
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

fn wanted_variable(provider: &Provider) -> String {
    match &provider.key_source {
        Some(KeySource::Variable(name)) => name.clone(),
        _ => provider.key_variables.first().cloned().unwrap_or_else(|| "its key".to_owned()),
    }
}
