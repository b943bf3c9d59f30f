//! The binary: nothing but the way into [`slalom`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(slalom::command::run(std::env::args_os()))
}
