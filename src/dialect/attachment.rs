//! Attachments on the wire: data URLs and short format names.

use crate::chat::{Attachment, AttachmentSource};

/// The URL itself, or the bytes as a data URL.
pub(super) fn to_url(media: &Attachment) -> String {
    match &media.source {
        AttachmentSource::Url(url) => url.clone(),
        AttachmentSource::Base64(data) => format!("data:{};base64,{data}", media.media_type),
    }
}

pub(super) fn from_url(url: &str) -> Attachment {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((media_type, data)) => Attachment {
            media_type: media_type.to_owned(),
            source: AttachmentSource::Base64(data.to_owned()),
            name: None,
        },
        None => Attachment {
            media_type: String::new(),
            source: AttachmentSource::Url(url.to_owned()),
            name: None,
        },
    }
}

pub(super) fn from_base64(media_type: String, data: String) -> Attachment {
    Attachment { media_type, source: AttachmentSource::Base64(data), name: None }
}

/// `png` for `image/png`, `txt` for `text/plain`.
pub(super) fn short_format(media_type: &str) -> &str {
    match media_type {
        "text/plain" => "txt",
        "text/markdown" => "md",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        other => other.rsplit('/').next().unwrap_or(other),
    }
}

/// The media type for a short format name.
pub(super) fn media_type_of(format: &str) -> String {
    match format {
        "png" | "jpeg" | "gif" | "webp" => format!("image/{format}"),
        "txt" => "text/plain".to_owned(),
        "md" => "text/markdown".to_owned(),
        "csv" | "html" => format!("text/{format}"),
        "doc" => "application/msword".to_owned(),
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document".to_owned(),
        "xls" => "application/vnd.ms-excel".to_owned(),
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned(),
        other => format!("application/{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_cases() {
        for text in ["data:image/png;base64,AAAA", "https://example.org/a.png"] {
            assert_eq!(to_url(&from_url(text)), text);
        }
        for format_name in ["png", "pdf", "txt", "md", "csv", "html", "doc", "docx", "xls", "xlsx"] {
            assert_eq!(short_format(&media_type_of(format_name)), format_name);
        }
    }
}
