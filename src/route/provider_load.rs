//! How busy the provider of a candidate is.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderLoad {
    /// Calls of this process, and calls of other processes that hold leases.
    pub in_flight: u64,
    /// The configured or adaptive concurrency limit, whichever is lower; `None` if there is none.
    pub concurrency: Option<u64>,
}
