//! A simulated judge. It knows the same pairs of prompt and reply as the others, and finds an answer the better the more of
//! the reply's words are in it; where it has no reply, the longer the better. That is no judgement, and it says so.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::chat::{Request, Schema, Tool};

/// How many words are enough where no reply is known.
const ENOUGH: f64 = 40.0;

/// A verdict of the shape that is asked for: its choices are taken to go from the worst to the best, or to be the first answer,
/// neither, and the second one. `None` where no verdict is asked for.
pub(super) fn verdict(request: &Request, replies: &HashMap<String, String>) -> Option<Value> {
    let schema = schema_of(request)?;
    let properties = schema.get("properties")?.as_object()?;
    let data = data_of(request)?;
    let turns = data.get("conversation").and_then(Value::as_array);
    let asked = turns.and_then(|turns| turns.last()?.get("content")?.as_str());
    let right = asked.and_then(|asked| replies.get(asked).map(String::as_str));
    let right = right.or(data.get("reference").and_then(Value::as_str));
    let quality = |name: &str| data.get(name).map(|answer| quality(&text_of(answer), right));
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
                choices.get(at).cloned().unwrap_or_default()
            }
            _ => json!("simulated: this goes by words alone"),
        };
        (name.clone(), value)
    };
    Some(Value::Object(properties.iter().map(field).collect::<Map<_, _>>()))
}

fn schema_of(request: &Request) -> Option<&Value> {
    match &request.schema {
        Some(Schema::Described(schema)) => Some(&schema.schema),
        Some(Schema::AnyJson) | None => {
            request.tools.iter().find_map(Tool::as_function).map(|function| &function.parameters)
        }
    }
}

/// The first JSON object of the last turn; words may follow it.
fn data_of(request: &Request) -> Option<Value> {
    let text = request.last_user_text();
    let from = text.find('{')?;
    serde_json::Deserializer::from_str(&text[from..]).into_iter().next()?.ok()
}

fn text_of(answer: &Value) -> String {
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

fn quality(answer: &str, right: Option<&str>) -> f64 {
    let said = words(answer);
    match right.map(words).filter(|right| !right.is_empty()) {
        Some(right) => right.intersection(&said).count() as f64 / right.len() as f64,
        None => (said.len() as f64 / ENOUGH).min(1.0),
    }
}

fn words(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::JsonSchema;

    fn asked(data: &Value, name: &str, choices: &Value) -> Request {
        let schema =
            json!({"type": "object", "properties": {"reason": {"type": "string"}, name: {"enum": choices}}});
        let schema = JsonSchema { name: "v".into(), description: None, schema, strict: None };
        Request { schema: Some(Schema::Described(schema)), ..Request::prompt(data.to_string()) }
    }

    #[test]
    fn more_of_the_reply_is_better() {
        let replies = HashMap::from([("Who?".to_owned(), "The king of Spain".to_owned())]);
        let grade = |answer: &str| {
            let data = json!({"conversation": [{"content": "Who?"}], "answer": answer});
            verdict(&asked(&data, "grade", &json!([1, 2, 3, 4, 5])), &replies).unwrap()["grade"].clone()
        };
        assert_eq!(
            [grade("the king of Spain!"), grade("the king"), grade("Nobody")],
            [json!(5), json!(3), json!(1)]
        );
        let better = |first: &str, second: &str| {
            let data = json!({"conversation": [{"content": "Else?"}], "first": first, "second": second});
            let choices = json!(["first", "tie", "second"]);
            verdict(&asked(&data, "better", &choices), &replies).unwrap()["better"].clone()
        };
        assert_eq!([better("a b", "a"), better("a", "b"), better("a", "b c")], ["first", "tie", "second"]);
        assert_eq!(verdict(&Request::prompt("hi"), &replies), None);
        assert_eq!(verdict(&asked(&json!({}), "grade", &json!([1])), &replies), None);
    }
}
