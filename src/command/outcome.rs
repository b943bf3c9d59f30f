//! Exit codes, and errors on their way to one.

use std::io;

use crate::config::{AttachmentError, ConfigError, SubjectError, TemplateError};

/// How a command ends. The codes are an interface: scripts and CI jobs stand on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandOutcome {
    /// Done; the gate passed.
    Success,
    /// The gate failed.
    GateFailed,
    /// Wrong usage, config or golden set; nothing was sent.
    UsageError,
    /// No answer, an answer that was cut, or too many cases that could not be scored.
    NoAnswer,
    /// Stopped by a limit of the caller's.
    LimitReached,
    /// Interrupted, by Ctrl-C as a rule.
    Interrupted,
    /// Ended by somebody who asked it to: `timeout`, a supervisor.
    Terminated,
    /// Its terminal is gone.
    HungUp,
}

impl CommandOutcome {
    /// The exit code.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::GateFailed => 1,
            Self::UsageError => 2,
            Self::NoAnswer => 3,
            Self::LimitReached => 4,
            // 128 and the number of the signal, as a shell has it.
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The worse of two, where several things happened: a signal, 2, 4, 3, 1, 0.
    pub(super) fn max_severity(self, other: Self) -> Self {
        let rank = |outcome: Self| match outcome {
            Self::Success => 0,
            Self::GateFailed => 1,
            Self::NoAnswer => 2,
            Self::LimitReached => 3,
            Self::UsageError => 4,
            Self::Interrupted | Self::Terminated | Self::HungUp => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Why a command ends early: what happened, what to do, and the code to exit with.
#[derive(Debug)]
pub(super) struct CommandError {
    pub outcome: CommandOutcome,
    pub error: anyhow::Error,
    pub hint: Option<String>,
}

impl CommandError {
    /// Something that was typed or written is wrong; nothing was sent.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { outcome: CommandOutcome::UsageError, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// There is no answer.
    pub(super) fn new(outcome: CommandOutcome, message: impl Into<String>) -> Self {
        Self { outcome, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// A signal ended it.
    pub(super) fn from_signal(outcome: CommandOutcome) -> Self {
        let word = match outcome {
            CommandOutcome::Terminated => "terminated",
            CommandOutcome::HungUp => "hung up",
            _ => "interrupted",
        };
        Self { outcome, error: anyhow::Error::msg(word), hint: None }
    }

    /// The machine refuses something that should work.
    pub(super) fn from_io(error: io::Error) -> Self {
        Self { outcome: CommandOutcome::NoAnswer, error: error.into(), hint: None }
    }

    /// The same error with what to do about it.
    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self { outcome: CommandOutcome::UsageError, error: error.into(), hint: None }
    }
}

impl From<SubjectError> for CommandError {
    fn from(error: SubjectError) -> Self {
        Self { outcome: CommandOutcome::UsageError, hint: error.hint.clone(), error: error.into() }
    }
}

impl From<AttachmentError> for CommandError {
    fn from(error: AttachmentError) -> Self {
        Self { outcome: CommandOutcome::UsageError, hint: error.hint.clone(), error: error.into() }
    }
}

impl From<TemplateError> for CommandError {
    fn from(error: TemplateError) -> Self {
        let hint = Some(
            if error.is_undefined { "set it with -p NAME=VALUE" } else { "check the braces in the prompt" }
                .to_owned(),
        );
        Self { outcome: CommandOutcome::UsageError, error: error.into(), hint }
    }
}

/// What was found out is printed; a reader that went away early changes nothing about it.
pub(super) fn check_printed(
    written: io::Result<()>,
    outcome: CommandOutcome,
) -> Result<CommandOutcome, CommandError> {
    match written {
        Ok(()) => Ok(outcome),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(outcome),
        Err(error) => Err(CommandError {
            outcome: CommandOutcome::NoAnswer.max_severity(outcome),
            error: anyhow::Error::new(error).context("standard output cannot be written"),
            hint: Some("look at where it goes: a full disk, or a file that may not be written".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_severity_returns_worse_outcome() {
        let order = [
            CommandOutcome::Success,
            CommandOutcome::GateFailed,
            CommandOutcome::NoAnswer,
            CommandOutcome::LimitReached,
            CommandOutcome::UsageError,
            CommandOutcome::Interrupted,
        ];
        for (n, better) in order.iter().enumerate() {
            for worse in &order[n..] {
                assert_eq!(better.max_severity(*worse), *worse);
                assert_eq!(worse.max_severity(*better), *worse);
            }
        }
    }
}
