//! Looking environment variables up.

/// Where variables are looked up. Any function from a name to a value is one.
pub trait Environment {
    /// What a variable holds.
    fn variable(&self, name: &str) -> Option<String>;

    /// What a variable holds that is about to be used as a key. Keys alone may also come from a project's `.env` file: what
    /// says where they are sent, and what is run or read on this machine, may not.
    fn key(&self, name: &str) -> Option<String> {
        self.variable(name)
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}
