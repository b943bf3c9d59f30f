//! Messages and their parts, encoded and decoded.

use serde_json::{Map, Value, json};

use crate::chat::{Attachment, AttachmentSource, Message, Part, Request, Role, ToolCall, ToolResult};
use crate::dialect::attachment;
use crate::dialect::field_reader::read_all_fields;
use crate::dialect::parsed_message::{arguments_as_object, provider_specific_message, tool_result_name};
use crate::dialect::{EffortControl, Quirks};

pub(super) fn encode_message(request: &Request, message: &Message, quirks: &Quirks) -> Value {
    if let Some(block) = provider_specific_message(message) {
        return block.clone();
    }
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "model",
    };
    let mut parts = encode_parts(&message.parts, Some(request));
    // Gemini 3 and later require a signature on the first call of a message. Calls of other models have none,
    // and this value skips the validation.
    let first_call = parts.iter_mut().find(|part| part.get("functionCall").is_some());
    if let (Some(call), true) =
        (first_call, message.model_ref.is_some() && quirks.effort != EffortControl::Budget)
        && call.get("thoughtSignature").is_none()
    {
        call["thoughtSignature"] = json!("skip_thought_signature_validator");
    }
    json!({"role": role, "parts": parts})
}

pub(super) fn encode_parts(parts: &[Part], request: Option<&Request>) -> Vec<Value> {
    let mut out = Vec::with_capacity(parts.len());
    // The state with a call's signature precedes the call.
    let mut call_signature = None;
    for part in parts {
        match part {
            Part::Text { text } => out.push(json!({"text": text})),
            Part::Image(media) | Part::Document(media) => out.push(encode_attachment(media)),
            Part::Reasoning { text, state } => {
                let signature = state.as_ref().and_then(|s| s.get("thoughtSignature"));
                let on = state.as_ref().and_then(|s| s.get("on")).and_then(Value::as_str);
                let mut thought = json!({"text": text, "thought": true});
                match (signature, on) {
                    (Some(signature), Some("call")) => call_signature = Some(signature),
                    (Some(_), Some(_)) | (None, _) => {}
                    (Some(signature), None) => thought["thoughtSignature"] = signature.clone(),
                }
                if !text.is_empty() {
                    out.push(thought);
                }
                if let (Some(signature), Some("text")) = (signature, on) {
                    out.push(json!({"text": "", "thoughtSignature": signature}));
                }
            }
            Part::ToolCall(call) => {
                let mut function = Map::new();
                if !call.id.is_empty() {
                    function.insert("id".to_owned(), json!(call.id));
                }
                function.insert("name".to_owned(), json!(call.name));
                function.insert("args".to_owned(), arguments_as_object(&call.arguments).into_owned());
                let mut part = json!({"functionCall": function});
                if let Some(signature) = call_signature.take() {
                    part["thoughtSignature"] = signature.clone();
                }
                out.push(part);
            }
            Part::ToolResult(result) => {
                let name = request.map_or(result.name.as_str(), |request| tool_result_name(request, result));
                let mut response = json!({"name": name, "response": encode_tool_result(result)});
                if !result.call_id.is_empty() {
                    response["id"] = json!(result.call_id);
                }
                out.push(json!({"functionResponse": response}));
            }
            Part::ProviderSpecific { block } => out.push(block.clone()),
        }
    }
    out
}

fn encode_attachment(media: &Attachment) -> Value {
    match &media.source {
        AttachmentSource::Base64(data) => json!({"inlineData": {"mimeType": media.media_type, "data": data}}),
        AttachmentSource::Url(url) => {
            let mut file = json!({"fileUri": url});
            if !media.media_type.is_empty() {
                file["mimeType"] = json!(media.media_type);
            }
            json!({"fileData": file})
        }
    }
}

/// The provider requires an object, so any other result is wrapped.
fn encode_tool_result(result: &ToolResult) -> Value {
    let object = serde_json::from_str::<Value>(&result.content).ok().filter(Value::is_object);
    match object {
        Some(object) if !result.is_error => object,
        _ if result.is_error => json!({"error": result.content}),
        _ => json!({"output": result.content}),
    }
}

pub(super) fn decode_message(message: &Value) -> Message {
    let role = match message.get("role").and_then(Value::as_str) {
        Some("model") => Role::Assistant,
        // The role is optional, and function results once had the role `function`.
        None | Some("user" | "function") => Role::User,
        Some(_) => {
            return Message {
                role: Role::User,
                parts: vec![Part::ProviderSpecific { block: message.clone() }],
                model_ref: None,
            };
        }
    };
    Message { role, parts: decode_parts(message), model_ref: None }
}

/// The parts of a message or of a system instruction.
pub(super) fn decode_parts(message: &Value) -> Vec<Part> {
    message["parts"].as_array().into_iter().flatten().flat_map(decode_part).collect()
}

/// A part with fields that [`Part`] cannot represent is kept verbatim.
fn decode_part(part: &Value) -> Vec<Part> {
    let known = read_all_fields(part, |fields| {
        let signature = fields.take_string("thoughtSignature");
        let on = |what: &str| {
            let state = |s: &String| json!({"thoughtSignature": s, "on": what});
            signature.as_ref().map(|s| Part::Reasoning { text: String::new(), state: Some(state(s)) })
        };
        if fields.take_bool("thought") == Some(true) {
            let text = fields.take_string("text")?;
            let state = signature.map(|signature| json!({"thoughtSignature": signature}));
            return Some(vec![Part::Reasoning { text, state }]);
        }
        if let Some(text) = fields.take_string("text") {
            let text = (!text.is_empty() || signature.is_none()).then_some(Part::Text { text });
            return Some(text.into_iter().chain(on("text")).collect());
        }
        if let Some(call) = fields.take_with("functionCall", decode_function_call) {
            return Some(on("call").into_iter().chain([Part::ToolCall(call)]).collect());
        }
        let part = fields
            .take_with("functionResponse", decode_function_response)
            .map(Part::ToolResult)
            .or_else(|| fields.take_with("inlineData", decode_inline_data))
            .or_else(|| fields.take_with("fileData", decode_file_data))?;
        signature.is_none().then(|| vec![part])
    });
    known.unwrap_or_else(|| vec![Part::ProviderSpecific { block: part.clone() }])
}

fn decode_function_call(call: &Value) -> Option<ToolCall> {
    read_all_fields(call, |fields| {
        Some(ToolCall {
            id: fields.take_string("id").unwrap_or_default(),
            name: fields.take_string("name")?,
            arguments: fields.take_with("args", |args| Some(args.clone())).unwrap_or_else(|| json!({})),
        })
    })
}

fn decode_function_response(response: &Value) -> Option<ToolResult> {
    read_all_fields(response, |fields| {
        let (content, is_error) = fields.take_with("response", |response| {
            let field = |name: &str| {
                let only = response.as_object().filter(|object| object.len() == 1)?;
                only.get(name).and_then(Value::as_str).map(str::to_owned)
            };
            Some(match (field("output"), field("error")) {
                (Some(output), _) => (output, false),
                (None, Some(error)) => (error, true),
                (None, None) => (response.to_string(), false),
            })
        })?;
        let call_id = fields.take_string("id").unwrap_or_default();
        Some(ToolResult { call_id, name: fields.take_string("name")?, content, is_error })
    })
}

fn decode_inline_data(inline: &Value) -> Option<Part> {
    let media = read_all_fields(inline, |fields| {
        Some(attachment::from_base64(fields.take_string("mimeType")?, fields.take_string("data")?))
    })?;
    attachment_part(media)
}

fn decode_file_data(file: &Value) -> Option<Part> {
    let media = read_all_fields(file, |fields| {
        let media_type = fields.take_string("mimeType").unwrap_or_default();
        Some(Attachment {
            media_type,
            source: AttachmentSource::Url(fields.take_string("fileUri")?),
            name: None,
        })
    })?;
    attachment_part(media)
}

/// Only images and documents; audio and video stay provider-specific.
fn attachment_part(media: Attachment) -> Option<Part> {
    match media.media_type.split('/').next() {
        Some("image") => Some(Part::Image(media)),
        Some("application" | "text") => Some(Part::Document(media)),
        _ => None,
    }
}

/// Converts field names to camel case. User-defined content (arguments, schemas, results) stays unchanged.
pub(super) fn to_camel_case_keys(value: Value) -> Value {
    const USER_DEFINED_FIELDS: [&str; 6] =
        ["args", "response", "parametersJsonSchema", "parameters", "responseJsonSchema", "responseSchema"];
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let name = to_camel_case(&name);
                let value = if USER_DEFINED_FIELDS.contains(&name.as_str()) {
                    value
                } else {
                    to_camel_case_keys(value)
                };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(to_camel_case_keys).collect(),
        other => other,
    }
}

fn to_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}
