//! What describes a dialect. Each dialect's folder has one [`DialectDescriptor`], and everything outside the
//! folder asks it instead of naming the dialect.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::de::{self, DeserializeSeed, EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{ClientCodec, EffortControl, EmbeddingCodec, Quirks, ServerCodec};
use crate::chat::Response;

/// One wire format.
#[derive(Clone, Copy)]
pub struct DialectDescriptor {
    /// The name in `routes.yaml` and in `providers.json`.
    pub name: &'static str,
    /// Dialects of one family share their quirks, and a host may serve a model through any of them.
    pub family: &'static str,
    pub client: &'static dyn ClientCodec,
    pub server: &'static dyn ServerCodec,
    /// `None` if the dialect has no embeddings.
    pub embeddings: Option<&'static dyn EmbeddingCodec>,
    pub default_auth: DefaultAuth,
    /// `None` if hosts offer no list of their models.
    pub model_list: Option<ModelListEndpoint>,
    pub served_paths: ServedPaths,
    pub expected_fields: ExpectedFields,
    pub stream: StreamFormat,
    pub capabilities: RequestCapabilities,
    pub vertex: VertexHosting,
    /// Whether models that the catalog lists as available through OpenAI's Responses API only use this dialect
    /// instead of others of its family.
    pub serves_responses_models: bool,
}

/// How the vendor's own API takes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAuth {
    Bearer,
    /// In a header that contains only the key.
    Header(&'static str),
}

/// Where a host lists its models.
#[derive(Clone, Copy)]
pub struct ModelListEndpoint {
    /// Path and query after the base URL.
    pub path: &'static str,
    /// Where to look if `path` does not exist.
    pub fallback_path: Option<&'static str>,
    pub headers: &'static [(&'static str, &'static str)],
    /// The query parameter and its value that get the page after this one; `None` on the last page.
    pub next_page: fn(&Value) -> Option<(&'static str, &str)>,
}

/// For lists that have one page.
pub(super) fn single_page(_page: &Value) -> Option<(&'static str, &str)> {
    None
}

/// The paths at which a server offers a dialect, as ends of the request path.
#[derive(Clone, Copy, Debug)]
pub struct ServedPaths {
    /// Path that clients have in their base URL.
    pub base: &'static str,
    pub chat: &'static [&'static str],
    pub embeddings: &'static [&'static str],
    /// `None` if this dialect has no model list of its own.
    pub model_list: Option<ServedModelList>,
}

#[derive(Clone, Copy, Debug)]
pub struct ServedModelList {
    pub path: &'static str,
    pub marker: ListMarker,
    pub encode: fn(&[ServedModel<'_>]) -> Value,
}

/// What tells a dialect's model list from others at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListMarker {
    /// The list of this path if no other dialect's marker is present.
    None,
    Header(&'static str),
    QueryParameter(&'static str),
}

/// A model in the list of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServedModel<'a> {
    pub id: &'a str,
    pub created_at: Timestamp,
    pub owner: &'a str,
}

/// The provider's names of the fields that every response should have; `None` if the dialect has no such field.
#[derive(Clone, Copy)]
pub struct ExpectedFields {
    pub id: Option<&'static str>,
    pub model: Option<&'static str>,
    pub usage: &'static str,
}

/// How the dialect streams a response.
#[derive(Clone, Copy)]
pub struct StreamFormat {
    pub framing: StreamFraming,
    pub ending: StreamEnding,
    pub done_line: DoneLine,
    pub error_event: ErrorEvent,
    /// Whether each chunk has a list of choices, which is empty beside an error.
    pub has_choices: bool,
    /// Whether a finish reason can report an error.
    pub has_error_finish_reason: bool,
    /// Whether a finish reason can report a content filter.
    pub has_filter_finish_reason: bool,
    /// Whether tool calls are sent complete or not at all.
    pub sends_whole_tool_calls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFraming {
    /// Server-sent events.
    Sse,
    /// One JSON object per line.
    Ndjson,
    /// Binary messages with checksums.
    AwsEventStream,
}

impl StreamFraming {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Ndjson => "application/x-ndjson",
            Self::AwsEventStream => "application/vnd.amazon.eventstream",
        }
    }
}

/// What completes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnding {
    /// The finish reason in the last chunk.
    FinishReason,
    /// An event that contains the finish reason.
    MessageEvent,
    /// An event after that of the finish reason.
    EventAfterFinishReason,
}

/// Whether a `[DONE]` line follows the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoneLine {
    Never,
    /// Only compatible servers send it.
    ByCompatibleServers,
    Always,
}

/// How a stream reports an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorEvent {
    /// As the plain error object.
    None,
    /// In an event of the dialect.
    Own,
    /// As the plain error object, which some servers send in an event called `error`.
    NamedBySomeServers,
}

/// What requests of this dialect can and cannot do, beyond the parameters of [`ClientCodec`].
#[derive(Clone, Copy)]
pub struct RequestCapabilities {
    pub prompt_caching: PromptCaching,
    /// Whether there is a JSON mode without a schema.
    pub has_json_mode: bool,
    /// Whether the tools of earlier calls must be declared, so that the tool choice `none` is not possible after a
    /// call.
    pub must_declare_called_tools: bool,
    /// Whether a model of this dialect is a Claude model.
    pub is_claude: fn(model: &str) -> bool,
    /// Whether reasoning that is requested in this way excludes sampling parameters and forced tool calls, and has
    /// a minimum budget.
    pub reasoning_limits_parameters: fn(EffortControl) -> bool,
    /// Whether tools and a response schema exclude each other.
    pub rejects_schema_with_tools: fn(&Quirks) -> bool,
}

impl RequestCapabilities {
    /// No restrictions.
    pub(super) const DEFAULT: Self = Self {
        prompt_caching: PromptCaching::Automatic,
        has_json_mode: true,
        must_declare_called_tools: false,
        is_claude: |_| false,
        reasoning_limits_parameters: |_| false,
        rejects_schema_with_tools: |_| false,
    };
}

/// When prompts are cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptCaching {
    /// Without being asked.
    Automatic,
    /// At cache points in the request.
    AtCachePoints,
    /// At cache points in the request, which only some models accept.
    AtCachePointsOfSomeModels,
}

/// How Vertex AI hosts models of this dialect.
#[derive(Clone, Copy)]
pub struct VertexHosting {
    pub paths: VertexPaths,
    /// Replaces the dialect's own embeddings.
    pub embeddings: Option<&'static dyn EmbeddingCodec>,
}

impl VertexHosting {
    /// As Google's own models.
    pub(super) const DEFAULT: Self =
        Self { paths: VertexPaths::Prefixed("/publishers/google"), embeddings: None };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VertexPaths {
    /// The dialect's path follows this prefix.
    Prefixed(&'static str),
    /// The path names the publisher and the model, and the API version moves from a header to the body.
    RawPredict {
        publisher: &'static str,
        version_header: &'static str,
        version: (&'static str, &'static str),
    },
}

/// A handle to one dialect. Its fields are those of the [`DialectDescriptor`].
#[derive(Clone, Copy)]
pub struct Dialect(pub(super) &'static DialectDescriptor);

impl Dialect {
    /// The name used in `routes.yaml`.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|dialect| dialect.name == name)
    }

    pub fn client_codec(self) -> &'static dyn ClientCodec {
        self.0.client
    }

    pub fn server_codec(self) -> &'static dyn ServerCodec {
        self.0.server
    }

    pub fn embedding_codec(self) -> Option<&'static dyn EmbeddingCodec> {
        self.0.embeddings
    }

    /// The dialect of the same family for models that only the Responses API serves; otherwise this one.
    pub(crate) fn for_responses_models(self) -> Self {
        let mut family = Self::all().filter(|dialect| dialect.family == self.family);
        family.find(|dialect| dialect.serves_responses_models).unwrap_or(self)
    }

    /// Fields that every response of this dialect should have but this one lacks, under the provider's names.
    pub fn missing_response_fields(self, answer: &Response) -> Vec<&'static str> {
        let ExpectedFields { id, model, usage } = self.expected_fields;
        let no_id = id.filter(|id| !answer.provider_fields.contains_key(*id));
        let no_model = model.filter(|_| answer.served_model.is_none());
        let no_usage = answer.usage.output_tokens.is_none().then_some(usage);
        [no_id, no_model, no_usage].into_iter().flatten().collect()
    }
}

impl Deref for Dialect {
    type Target = DialectDescriptor;

    fn deref(&self) -> &DialectDescriptor {
        self.0
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

impl Hash for Dialect {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Reads the name as the variant of an enum, so that errors point at the name and list the known ones.
impl<'de> Deserialize<'de> for Dialect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("Dialect", dialect_names(), DialectVisitor)
    }
}

fn dialect_names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| Dialect::all().map(Dialect::as_str).collect());
    &NAMES
}

struct DialectVisitor;

impl<'de> Visitor<'de> for DialectVisitor {
    type Value = Dialect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a dialect")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Dialect, A::Error> {
        let (dialect, variant) = access.variant_seed(self)?;
        variant.unit_variant()?;
        Ok(dialect)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Dialect, E> {
        Dialect::from_name(name).ok_or_else(|| E::unknown_variant(name, dialect_names()))
    }
}

impl<'de> DeserializeSeed<'de> for DialectVisitor {
    type Value = Dialect;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dialect, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}
