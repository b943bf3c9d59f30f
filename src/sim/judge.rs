//! A simulated judge. It scores an answer by word overlap with the configured reply, or by length if there is
//! no reply. It cannot replace a real judge, and its reason says that it is simulated.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::chat::{Request, ResponseFormat, Tool};

/// Word count that gets the full score if no reply is configured.
const FULL_SCORE_WORDS: f64 = 40.0;

/// Returns a verdict that matches the requested schema. Its choices are taken as ordered from worst to best
/// or, for a pair, as first answer, tie, and second answer. `None` if the request asks for no verdict.
pub(super) fn simulate_verdict(request: &Request, replies: &HashMap<String, String>) -> Option<Value> {
    let schema = verdict_schema(request)?;
    let properties = schema.get("properties")?.as_object()?;
    let data = parse_judge_input(request)?;
    let messages = data.get("conversation").and_then(Value::as_array);
    let prompt = messages.and_then(|messages| messages.last()?.get("content")?.as_str());
    let expected = prompt.and_then(|prompt| replies.get(prompt).map(String::as_str));
    let expected = expected.or(data.get("reference").and_then(Value::as_str));
    let quality = |name: &str| data.get(name).map(|answer| score_answer(&value_text(answer), expected));
    let share = match (quality("answer"), quality("first"), quality("second")) {
        (Some(quality), ..) => quality,
        (None, Some(first), Some(second)) => {
            0.5 + (second - first).signum() * f64::from(u8::from(first != second)) / 2.0
        }
        _ => return None,
    };
    let field = |(name, schema): (&String, &Value)| {
        let value = match schema.get("enum").and_then(Value::as_array) {
            Some(choices) if !choices.is_empty() => {
                let at = (share * (choices.len() - 1) as f64).round() as usize;
                choices.get(at).cloned().unwrap_or(Value::Null)
            }
            _ => json!("simulated: based on word overlap only"),
        };
        (name.clone(), value)
    };
    Some(Value::Object(properties.iter().map(field).collect::<Map<_, _>>()))
}

fn verdict_schema(request: &Request) -> Option<&Value> {
    match &request.response_format {
        Some(ResponseFormat::JsonSchema(schema)) => Some(&schema.schema),
        Some(ResponseFormat::JsonObject) | None => {
            request.tools.iter().find_map(Tool::as_function).map(|function| &function.parameters)
        }
    }
}

/// The first JSON object in the last message. Text may follow it.
fn parse_judge_input(request: &Request) -> Option<Value> {
    let text = request.last_user_text();
    let from = text.find('{')?;
    serde_json::Deserializer::from_str(&text[from..]).into_iter().next()?.ok()
}

fn value_text(answer: &Value) -> String {
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

fn score_answer(answer: &str, expected: Option<&str>) -> f64 {
    let answer_words = word_set(answer);
    match expected.map(word_set).filter(|expected| !expected.is_empty()) {
        Some(expected) => expected.intersection(&answer_words).count() as f64 / expected.len() as f64,
        None => (answer_words.len() as f64 / FULL_SCORE_WORDS).min(1.0),
    }
}

fn word_set(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::JsonSchema;

    fn judge_request(data: &Value, name: &str, choices: &Value) -> Request {
        let schema =
            json!({"type": "object", "properties": {"reason": {"type": "string"}, name: {"enum": choices}}});
        let schema = JsonSchema { name: "v".into(), description: None, schema, strict: None };
        Request {
            response_format: Some(ResponseFormat::JsonSchema(schema)),
            ..Request::from_prompt(data.to_string())
        }
    }

    #[test]
    fn verdict_follows_word_overlap() {
        let replies = HashMap::from([("Who?".to_owned(), "The king of Spain".to_owned())]);
        let grade = |answer: &str| {
            let data = json!({"conversation": [{"content": "Who?"}], "answer": answer});
            simulate_verdict(&judge_request(&data, "grade", &json!([1, 2, 3, 4, 5])), &replies).unwrap()["grade"]
                .clone()
        };
        assert_eq!(
            [grade("the king of Spain!"), grade("the king"), grade("Someone else")],
            [json!(5), json!(3), json!(1)]
        );
        let better = |first: &str, second: &str| {
            let data = json!({"conversation": [{"content": "Else?"}], "first": first, "second": second});
            let choices = json!(["first", "tie", "second"]);
            simulate_verdict(&judge_request(&data, "better", &choices), &replies).unwrap()["better"].clone()
        };
        assert_eq!([better("a b", "a"), better("a", "b"), better("a", "b c")], ["first", "tie", "second"]);
        assert_eq!(simulate_verdict(&Request::from_prompt("hi"), &replies), None);
        assert_eq!(simulate_verdict(&judge_request(&json!({}), "grade", &json!([1])), &replies), None);
    }
}
