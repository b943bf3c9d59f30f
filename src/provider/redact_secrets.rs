//! Removes a request's secrets from responses and failures, because a provider may echo them anywhere.

use serde_json::Value;

use super::Credential;
use super::credential::REDACTED;
use crate::chat::{AttachmentSource, Failure, Part, Response};

pub(super) fn redact_failure(mut failure: Failure, secrets: &[Credential]) -> Failure {
    let texts = [Some(&mut failure.message), failure.provider_code.as_mut(), failure.request_id.as_mut()];
    for text in texts.into_iter().flatten() {
        for secret in secrets {
            if let Some(clean) = secret.redact(text) {
                *text = clean;
            }
        }
    }
    failure
}

/// Redacts complete secrets only: an answer may well end in the first characters of a key.
pub(super) fn redact_response(mut answer: Response, secrets: &[Credential]) -> Response {
    let forms: Vec<String> = secrets.iter().flat_map(Credential::encoded_forms).collect();
    if !forms.is_empty() {
        visit_texts(&mut answer, &mut |text| {
            for form in forms.iter().filter(|form| !form.is_empty()) {
                if text.contains(form.as_str()) {
                    *text = text.replace(form.as_str(), REDACTED);
                }
            }
        });
    }
    answer
}

/// Visits all texts of a response that come from the provider.
fn visit_texts(answer: &mut Response, clean: &mut dyn FnMut(&mut String)) {
    let Response {
        served_model,
        text,
        reasoning,
        tool_calls,
        citations,
        parts,
        finish_reason: _,
        usage: _,
        unexpected_fields: unexpected,
        provider_fields,
    } = answer;
    served_model.iter_mut().chain([text]).chain(reasoning).chain(unexpected).for_each(&mut *clean);
    for call in tool_calls {
        [&mut call.id, &mut call.name].into_iter().for_each(&mut *clean);
        visit_json_texts(&mut call.arguments, clean);
    }
    for citation in citations {
        [&mut citation.url, &mut citation.title, &mut citation.text]
            .into_iter()
            .flatten()
            .for_each(&mut *clean);
    }
    parts.iter_mut().for_each(|part| visit_part_texts(part, clean));
    let fields = std::mem::take(provider_fields);
    provider_fields.extend(fields.into_iter().map(|(mut name, mut value)| {
        clean(&mut name);
        visit_json_texts(&mut value, clean);
        (name, value)
    }));
}

fn visit_part_texts(part: &mut Part, clean: &mut dyn FnMut(&mut String)) {
    match part {
        Part::Text { text } => clean(text),
        Part::Reasoning { text, state } => {
            clean(text);
            state.iter_mut().for_each(|state| visit_json_texts(state, clean));
        }
        Part::ToolCall(call) => {
            [&mut call.id, &mut call.name].into_iter().for_each(&mut *clean);
            visit_json_texts(&mut call.arguments, clean);
        }
        Part::ToolResult(result) => clean(&mut result.content),
        Part::Image(media) | Part::Document(media) => match &mut media.source {
            AttachmentSource::Url(url) => clean(url),
            // Image bytes that happen to match a key are not an echo.
            AttachmentSource::Base64(_) => {}
        },
        Part::ProviderSpecific { block } => visit_json_texts(block, clean),
    }
}

fn visit_json_texts(value: &mut Value, clean: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| visit_json_texts(item, clean)),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            fields.extend(old.into_iter().map(|(mut name, mut value)| {
                clean(&mut name);
                visit_json_texts(&mut value, clean);
                (name, value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::{FinishReason, ToolCall};

    #[test]
    fn echoed_key_is_redacted_in_every_field() {
        let key = "planted+key/123";
        let call = ToolCall { id: key.into(), name: key.into(), arguments: json!({key: [key]}) };
        let parts = vec![
            Part::from_text(format!("the key is {key}, and keys begin with planted")),
            Part::Reasoning { text: key.into(), state: Some(json!({"state": key})) },
            Part::ToolCall(call),
            Part::ProviderSpecific { block: json!([key]) },
        ];
        let mut answer = Response::from_parts(parts, FinishReason::Stop);
        answer.served_model = Some(key.into());
        answer.unexpected_fields = vec![format!("{key}: unknown")];
        answer.provider_fields.insert("id".into(), json!({"of": format!("x-{key}")}));
        let secrets: Vec<Credential> = Credential::new(key).into_iter().collect();
        let clean = redact_response(answer.clone(), &secrets);
        assert!(!format!("{clean:?}").contains(key), "{clean:?}");
        assert_eq!(clean.text, "the key is [redacted], and keys begin with planted");
        assert_eq!(redact_response(answer.clone(), &[]), answer);
    }
}
