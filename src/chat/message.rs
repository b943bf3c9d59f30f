//! One turn of a conversation.

/// Who speaks in a turn. Instructions are not a turn: see [`Request::system`](super::Request::system).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person, or the program that asks.
    User,
    /// The model.
    Assistant,
}

/// One turn: a role and the text parts it is made of, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text parts; a dialect that knows only one string a turn joins them with a blank line.
    pub parts: Vec<String>,
}

impl Message {
    /// A turn of the user with one text part.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, parts: vec![text.into()] }
    }

    /// All parts as one text, a blank line between them.
    pub fn text(&self) -> String {
        self.parts.join("\n\n")
    }
}
