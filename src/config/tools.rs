//! Parses tool definitions.

use serde_json::{Value, json};

use crate::chat::{FunctionTool, Tool};

/// Accepts functions as `{name, description, parameters}` or in the format of OpenAI or Anthropic. Anything
/// else with a `type` is passed to the provider unchanged. An error includes the 0-based index of
/// the tool.
pub(crate) fn parse_tools(list: Vec<Value>) -> Result<Vec<Tool>, (usize, String)> {
    let mut tools: Vec<Tool> = Vec::with_capacity(list.len());
    for (n, written) in list.into_iter().enumerate() {
        let tool = parse_tool(written).map_err(|why| (n, why))?;
        if let Some(function) = tool.as_function()
            && tools.iter().filter_map(Tool::as_function).any(|known| known.name == function.name)
        {
            return Err((n, format!("duplicate tool name `{}`", function.name)));
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn parse_tool(mut written: Value) -> Result<Tool, String> {
    if written["type"] == "function" && written["function"].is_object() {
        written = written["function"].take();
    }
    let is_provider_specific = written.get("type").is_some_and(|kind| kind != "function" && kind != "custom");
    // Google and Amazon define theirs as `{"googleSearch": {}}`.
    let is_provider_specific = is_provider_specific
        || written.as_object().is_some_and(|fields| fields.len() == 1 && !fields.contains_key("name"));
    if is_provider_specific && written.get("parameters").is_none() && written.get("input_schema").is_none() {
        return Ok(Tool::ProviderSpecific(written));
    }
    let Value::Object(fields) = &mut written else { return Err("expected an object".to_owned()) };
    fields.shift_remove("type");
    if let Some(parameters) = fields.shift_remove("input_schema") {
        fields.insert("parameters".to_owned(), parameters);
    }
    fields.entry("parameters").or_insert_with(|| json!({"type": "object", "properties": {}}));
    let function: FunctionTool = serde_json::from_value(written).map_err(|error| error.to_string())?;
    if function.name.is_empty() || function.name.len() > 64 || !function.name.chars().all(is_name_char) {
        return Err("invalid name: expected 1 to 64 letters, digits, `_`, or `-`".to_owned());
    }
    if !function.parameters.is_object() {
        return Err("`parameters` must be a JSON Schema".to_owned());
    }
    Ok(Tool::Function(function))
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
