//! Errors in assertions as written. They name the part that is wrong; its position in the file is known to
//! `config`.

/// An error that a parser found in the options of an assertion.
#[derive(Debug)]
pub(crate) enum OptionError {
    /// The assertion is wrong; the hint shows an example of it.
    Assertion(String),
    WithHint(String, String),
    /// The case is wrong: it lacks something that the assertion needs.
    Case(String),
}

impl OptionError {
    pub(super) fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::WithHint(message.into(), hint.into())
    }
}

impl From<String> for OptionError {
    fn from(why: String) -> Self {
        Self::Assertion(why)
    }
}

impl From<&str> for OptionError {
    fn from(why: &str) -> Self {
        Self::Assertion(why.to_owned())
    }
}

#[derive(Debug)]
pub(crate) struct AssertionError {
    pub message: String,
    pub hint: String,
    pub part: AssertionPart,
    /// Whether the case lacks something that the assertion needs; otherwise the assertion itself is wrong.
    pub is_case_fault: bool,
}

/// The part of an assertion that an error is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AssertionPart {
    Whole,
    Name,
    /// The second key of a map that should have only one.
    SecondName,
    /// The key of an option.
    Option(String),
    /// A part of a member of `any-of` or `all-of`.
    Member(usize, Box<AssertionPart>),
}
