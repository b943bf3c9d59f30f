use clap::Args;

const EXAMPLES: &str = "\
Examples:
  slalom models claude
  slalom models --available openai ollama
  slalom models --update openrouter";

/// List models with prices, context windows, and capabilities
///
/// Prices are in US dollars per million tokens; `?` means unknown. Models that are not listed can be called too.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ModelsArgs {
    /// Show only models whose name contains TEXT
    ///
    /// Matches anywhere in provider/model, ignoring case.
    #[arg(
        value_name = "TEXT",
        conflicts_with_all = ["update", "available"],
        display_order = 0,
        help_heading = "Models"
    )]
    pub search: Option<String>,
    /// Ask providers which models they serve
    ///
    /// Separate providers with spaces [default: all providers whose API key is set]. Marks models that the catalog does
    /// not have, and models that the provider does not list. Exits 3 if no provider answers, 2 if a named provider has no
    /// key. Cannot be combined with TEXT or --update.
    #[arg(
        long,
        value_name = "PROVIDER",
        num_args = 0..,
        conflicts_with = "update",
        display_order = 1,
        help_heading = "Models"
    )]
    pub available: Option<Vec<String>>,
    /// Update prices and context windows
    ///
    /// `openrouter` downloads OpenRouter's public model list. A FILE is CSV with the catalog's columns, or JSON as served
    /// by OpenRouter's /api/v1/models or models.dev. The rows are stored in the user data folder and take precedence
    /// until a newer slalom replaces them. An invalid file changes nothing. Cannot be combined with TEXT.
    #[arg(long, value_name = "openrouter|FILE", help_heading = "Models")]
    pub update: Option<String>,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
