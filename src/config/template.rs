//! Prompt templates with variables.

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

/// A Jinja template such as `Hi {{ name }}`.
pub(crate) struct Template {
    environment: Environment<'static>,
    /// The rendered text, if the template is plain text. System prompts usually are, and a set renders its
    /// templates for each case.
    plain_text: Option<String>,
}

/// An error in a template or in its variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct TemplateError {
    pub message: String,
    /// Whether a variable is missing, as opposed to an error in the template itself.
    pub is_undefined: bool,
    /// Whether Jinja lacks a filter, test, or function that the template uses.
    pub is_unknown_function: bool,
}

impl TemplateError {
    /// How to correct the template itself.
    pub(crate) fn syntax_hint(&self) -> &'static str {
        if self.is_unknown_function {
            "use only Jinja's built-in filters, tests, and functions"
        } else {
            "check the `{{ … }}` and `{% … %}`"
        }
    }
}

impl Template {
    pub(crate) fn new(text: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Limits loops, so that a template cannot run forever.
        environment.set_fuel(Some(1_000_000));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_template_owned("prompt", text.to_owned()).map_err(|e| to_template_error(&e))?;
        let mut template = Self { environment, plain_text: None };
        if !text.contains('{') {
            template.plain_text = Some(template.render(&Map::new())?);
        }
        Ok(template)
    }

    /// The variables that the template uses. Never fails for a valid template.
    pub(crate) fn variables(&self) -> Result<Vec<String>, TemplateError> {
        let template = self.environment.get_template("prompt").map_err(|e| to_template_error(&e))?;
        Ok(template.undeclared_variables(false).into_iter().collect())
    }

    /// Fails if a variable is undefined.
    pub(crate) fn render(&self, variables: &Map<String, Value>) -> Result<String, TemplateError> {
        if let Some(text) = &self.plain_text {
            return Ok(text.clone());
        }
        let template = self.environment.get_template("prompt").map_err(|e| to_template_error(&e))?;
        template.render(minijinja::value::Serde(variables)).map_err(|error| {
            let missing =
                template.undeclared_variables(false).into_iter().filter(|name| !variables.contains_key(name));
            let mut missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
            missing.sort();
            if error.kind() == ErrorKind::UndefinedError && !missing.is_empty() {
                return TemplateError {
                    message: format!("undefined template variable {}", missing.join(", ")),
                    is_undefined: true,
                    is_unknown_function: false,
                };
            }
            to_template_error(&error)
        })
    }
}

fn to_template_error(error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map(str::to_owned).unwrap_or_else(|| error.kind().to_string());
    let line = error.line().map_or(String::new(), |line| format!(" (line {line} of the template)"));
    let detail = match detail.as_str() {
        "unexpected end of input, expected end of variable block" => "`{{` is not closed",
        "unexpected end of input, expected end of block" => "`{%` is not closed",
        detail => detail,
    };
    TemplateError {
        message: format!("invalid template: {detail}{line}"),
        is_undefined: false,
        is_unknown_function: matches!(
            error.kind(),
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, variables: &Value) -> Result<String, TemplateError> {
        Template::new(text)?.render(variables.as_object().unwrap())
    }

    #[test]
    fn render_cases() {
        assert_eq!(
            render("Hi {{ a }}, <{{ b.c }}>", &serde_json::json!({"a": "x", "b": {"c": "&"}})).unwrap(),
            "Hi x, <&>"
        );
        let error = render("{{ ticket }}", &serde_json::json!({"tickt": 1})).unwrap_err();
        assert_eq!(error.message, "undefined template variable `ticket`");
        assert!(
            render(
                "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
                &serde_json::json!({})
            )
            .is_err()
        );
        assert_eq!(render("plain } text\n", &serde_json::json!({})).unwrap(), "plain } text");
        assert_eq!(render("{{ q is defined }}", &serde_json::json!({})).unwrap(), "False");
        assert!(render("{{ a", &serde_json::json!({})).is_err());
        assert!(render("{{ a.b.c }}", &serde_json::json!({"a": {}})).is_err());
    }
}
