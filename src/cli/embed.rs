use clap::Args;

const EXAMPLES: &str = "\
Examples:
  slalom embed -m sim-openai/good \"the cat sat\" \"a cat sat down\"  # no API key
  slalom embed -m openai/text-embedding-3-small --json < lines.txt";

/// Compute embeddings of texts
///
/// Prints one embedding per line, as a JSON array.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct EmbedArgs {
    /// Texts to embed [default: one per line of stdin]
    #[arg(value_name = "TEXT", display_order = 0, help_heading = "Embedding")]
    pub texts: Vec<String>,
    /// Embedding model: provider/model or alias
    ///
    /// Routes are not accepted: embeddings from different models cannot be compared. `slalom models embed` lists
    /// embedding models.
    #[arg(short, long, value_name = "MODEL", display_order = 1, help_heading = "Embedding")]
    pub model: String,
    /// similarity, query, or document
    ///
    /// Gemini, Vertex AI, and Cohere (also on Bedrock) compute different embeddings for queries and documents. Other
    /// providers ignore it.
    #[arg(long, value_name = "PURPOSE", default_value = "similarity", help_heading = "Embedding")]
    pub purpose: String,
    /// Number of dimensions, if the model supports a choice
    ///
    /// If the model returns another length, slalom prints a warning.
    #[arg(long, value_name = "N", value_parser = super::parse_whole_number, help_heading = "Embedding")]
    pub dimensions: Option<u64>,
    /// Print a JSON object with embeddings, tokens, and cost
    ///
    /// The object has the schema `slalom.embeddings/1`.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Time limit, such as 90s
    ///
    /// On expiry, the exit code is 4.
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    pub timeout: String,
}
