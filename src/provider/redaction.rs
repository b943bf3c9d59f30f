//! Answers and failures without the secrets of their requests: a provider may quote them anywhere.

use serde_json::Value;

use super::Credential;
use super::credential::REDACTED;
use crate::chat::{Failure, Part, Response, Source};

/// A failure without these secrets.
pub(super) fn redacted(mut failure: Failure, secrets: &[Credential]) -> Failure {
    let texts = [Some(&mut failure.message), failure.code.as_mut(), failure.request_id.as_mut()];
    for text in texts.into_iter().flatten() {
        for secret in secrets {
            if let Some(clean) = secret.redact(text) {
                *text = clean;
            }
        }
    }
    failure
}

/// An answer without these secrets. Only what is one as a whole is taken out: an answer may well end in how keys begin.
pub(super) fn redacted_answer(mut answer: Response, secrets: &[Credential]) -> Response {
    let forms: Vec<String> = secrets.iter().flat_map(Credential::forms).collect();
    if !forms.is_empty() {
        each_text(&mut answer, &mut |text| {
            for form in forms.iter().filter(|form| !form.is_empty()) {
                if text.contains(form.as_str()) {
                    *text = text.replace(form.as_str(), REDACTED);
                }
            }
        });
    }
    answer
}

/// All texts that a provider put into an answer.
fn each_text(answer: &mut Response, clean: &mut dyn FnMut(&mut String)) {
    let Response {
        served_model,
        text,
        reasoning,
        tool_calls,
        citations,
        parts,
        finish_reason: _,
        usage: _,
        unexpected,
        provider_fields,
    } = answer;
    served_model.iter_mut().chain([text]).chain(reasoning).chain(unexpected).for_each(&mut *clean);
    for call in tool_calls {
        [&mut call.id, &mut call.name].into_iter().for_each(&mut *clean);
        each_in(&mut call.arguments, clean);
    }
    for citation in citations {
        [&mut citation.url, &mut citation.title, &mut citation.text]
            .into_iter()
            .flatten()
            .for_each(&mut *clean);
    }
    parts.iter_mut().for_each(|part| each_of(part, clean));
    let fields = std::mem::take(provider_fields);
    provider_fields.extend(fields.into_iter().map(|(mut name, mut value)| {
        clean(&mut name);
        each_in(&mut value, clean);
        (name, value)
    }));
}

fn each_of(part: &mut Part, clean: &mut dyn FnMut(&mut String)) {
    match part {
        Part::Text { text } => clean(text),
        Part::Reasoning { text, state } => {
            clean(text);
            state.iter_mut().for_each(|state| each_in(state, clean));
        }
        Part::ToolCall(call) => {
            [&mut call.id, &mut call.name].into_iter().for_each(&mut *clean);
            each_in(&mut call.arguments, clean);
        }
        Part::ToolResult(result) => clean(&mut result.content),
        Part::Image(media) | Part::Document(media) => match &mut media.source {
            Source::Url(url) => clean(url),
            // Bytes of a picture that read as a key are none.
            Source::Data(_) => {}
        },
        Part::Own { block } => each_in(block, clean),
    }
}

fn each_in(value: &mut Value, clean: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_in(item, clean)),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            fields.extend(old.into_iter().map(|(mut name, mut value)| {
                clean(&mut name);
                each_in(&mut value, clean);
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
    fn a_quoted_key_is_taken_out_of_every_corner_of_an_answer() {
        let key = "planted+key/123";
        let call = ToolCall { id: key.into(), name: key.into(), arguments: json!({key: [key]}) };
        let parts = vec![
            Part::text(format!("the key is {key}, and keys begin with planted")),
            Part::Reasoning { text: key.into(), state: Some(json!({"state": key})) },
            Part::ToolCall(call),
            Part::Own { block: json!([key]) },
        ];
        let mut answer = Response::of_parts(parts, FinishReason::Stop);
        answer.served_model = Some(key.into());
        answer.unexpected = vec![format!("{key}: unknown")];
        answer.provider_fields.insert("id".into(), json!({"of": format!("x-{key}")}));
        let secrets: Vec<Credential> = Credential::new(key).into_iter().collect();
        let clean = redacted_answer(answer.clone(), &secrets);
        assert!(!format!("{clean:?}").contains(key), "{clean:?}");
        assert_eq!(clean.text, "the key is [redacted], and keys begin with planted");
        assert_eq!(redacted_answer(answer.clone(), &[]), answer);
    }
}
