//! The dialect `cohere` (Cohere Chat v2). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod request;
mod server;
mod wire;

use super::{ListMarker, ServedModelList, ServedPaths};

pub(super) struct Cohere;

pub(super) const SERVED_PATHS: ServedPaths = ServedPaths {
    chat: &["/v2/chat"],
    embeddings: &["/v2/embed"],
    model_list: Some(ServedModelList { path: "/models", marker: ListMarker::QueryParameter("page_size") }),
};
