//! Exit codes, and errors on their way to one.

use std::io;

use crate::config::{AttachmentError, ConfigError, SubjectError, TemplateError};

/// How a command ends. The codes are an interface: scripts and CI jobs stand on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done; the gate passed.
    Done,
    /// The gate failed.
    GateFailed,
    /// Wrong usage, config or golden set; nothing was sent.
    Usage,
    /// No answer, an answer that was cut, or too many cases that could not be scored.
    NoAnswer,
    /// Stopped by a limit of the caller's.
    Limit,
    /// Interrupted, by Ctrl-C as a rule.
    Interrupted,
    /// Ended by somebody who asked it to: `timeout`, a supervisor.
    Terminated,
    /// Its terminal is gone.
    HungUp,
}

impl Outcome {
    /// The exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::GateFailed => 1,
            Self::Usage => 2,
            Self::NoAnswer => 3,
            Self::Limit => 4,
            // 128 and the number of the signal, as a shell has it.
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The worse of two, where several things happened: a signal, 2, 4, 3, 1, 0.
    pub(super) fn worse(self, other: Self) -> Self {
        let rank = |outcome: Self| match outcome {
            Self::Done => 0,
            Self::GateFailed => 1,
            Self::NoAnswer => 2,
            Self::Limit => 3,
            Self::Usage => 4,
            Self::Interrupted | Self::Terminated | Self::HungUp => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Why a command ends early: what happened, what to do, and the code to exit with.
#[derive(Debug)]
pub(super) struct CommandError {
    pub outcome: Outcome,
    pub error: anyhow::Error,
    pub hint: Option<String>,
}

impl CommandError {
    /// Something that was typed or written is wrong; nothing was sent.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Usage, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// There is no answer.
    pub(super) fn no_answer(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// A signal ended it.
    pub(super) fn ended(outcome: Outcome) -> Self {
        let word = match outcome {
            Outcome::Terminated => "terminated",
            Outcome::HungUp => "hung up",
            _ => "interrupted",
        };
        Self { outcome, error: anyhow::Error::msg(word), hint: None }
    }

    /// The machine refuses something that should work.
    pub(super) fn internal(error: io::Error) -> Self {
        Self { outcome: Outcome::NoAnswer, error: error.into(), hint: None }
    }

    /// The same error with what to do about it.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self { outcome: Outcome::Usage, error: error.into(), hint: None }
    }
}

impl From<SubjectError> for CommandError {
    fn from(error: SubjectError) -> Self {
        Self { outcome: Outcome::Usage, hint: error.hint.clone(), error: error.into() }
    }
}

impl From<AttachmentError> for CommandError {
    fn from(error: AttachmentError) -> Self {
        Self { outcome: Outcome::Usage, hint: error.hint.clone(), error: error.into() }
    }
}

impl From<TemplateError> for CommandError {
    fn from(error: TemplateError) -> Self {
        let hint = Some(
            if error.is_undefined { "set it with -p NAME=VALUE" } else { "check the braces in the prompt" }
                .to_owned(),
        );
        Self { outcome: Outcome::Usage, error: error.into(), hint }
    }
}

/// What was found out is printed; a reader that went away early changes nothing about it.
pub(super) fn printed(written: io::Result<()>, outcome: Outcome) -> Result<Outcome, CommandError> {
    match written {
        Ok(()) => Ok(outcome),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(outcome),
        Err(error) => Err(CommandError {
            outcome: Outcome::NoAnswer.worse(outcome),
            error: anyhow::Error::new(error).context("standard output cannot be written"),
            hint: Some("look at where it goes: a full disk, or a file that may not be written".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_first() {
        let order = [
            Outcome::Done,
            Outcome::GateFailed,
            Outcome::NoAnswer,
            Outcome::Limit,
            Outcome::Usage,
            Outcome::Interrupted,
        ];
        for (n, better) in order.iter().enumerate() {
            for worse in &order[n..] {
                assert_eq!(better.worse(*worse), *worse);
                assert_eq!(worse.worse(*better), *worse);
            }
        }
    }
}
