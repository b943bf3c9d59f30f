//! Lookup of environment variables.

/// A source of environment variables. Any function from a name to a value implements it.
pub trait Environment {
    fn variable(&self, name: &str) -> Option<String>;

    /// The value of a variable that is used as a key. Only keys may also come from a project's `.env` file;
    /// settings that decide where keys are sent, or what is run or read on this machine, may not.
    fn key(&self, name: &str) -> Option<String> {
        self.variable(name)
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}
