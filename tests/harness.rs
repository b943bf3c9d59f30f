//! Runs the real binary in a temporary home directory without keys or config.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use slalom::dialect::Dialect;
use tempfile::TempDir;

/// The dialect with this name.
pub(crate) fn dialect(name: &str) -> Dialect {
    Dialect::from_name(name).unwrap_or_else(|| panic!("unknown dialect {name}"))
}

/// The simulated providers, one per dialect.
pub(crate) const SIM_PROVIDERS: &[&str] = &[
    "sim-openai",
    "sim-responses",
    "sim-anthropic",
    "sim-gemini",
    "sim-cohere",
    "sim-ollama",
    "sim-bedrock",
];

/// A temporary home directory; the binary runs in its `project` subdirectory.
pub(crate) struct CliHarness {
    home: TempDir,
    environment: Vec<(String, String)>,
}

pub(crate) struct CliOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CliHarness {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("project")).unwrap();
        Self { home, environment: vec![("SLALOM_SIM_LATENCY".into(), "0ms".into())] }
    }

    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(n, _)| n != name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Writes a file into the project directory.
    pub(crate) fn with_file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn with_executable(self, name: &str, text: &str) -> Self {
        let cli = self.with_file(name, text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(cli.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        cli
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("project").join(name)
    }

    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("slalom"));
        command.args(arguments);
        self.with_clean_env(command)
    }

    /// A line of `sh` in the same environment; `$0` is the binary and `$@` are the arguments.
    #[cfg(unix)]
    pub(crate) fn shell(&self, line: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(assert_cmd::cargo::cargo_bin!("slalom")).args(arguments);
        self.with_clean_env(command)
    }

    fn with_clean_env(&self, mut command: Command) -> Command {
        command.current_dir(self.path("")).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home.path()).env("PATH", std::env::var("PATH").unwrap_or_default());
        // Keeps tests from detecting a cloud VM.
        command.env("SLALOM_MACHINE_FOLDER", "/no/such/folder");
        command.envs(self.environment.iter().map(|(n, v)| (n, v)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> CliOutput {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs with `input` piped to stdin.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> CliOutput {
        use std::io::Write;
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }
}

impl From<Output> for CliOutput {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl CliOutput {
    /// Stdout with runs of spaces collapsed, so that column widths do not matter.
    pub(crate) fn collapsed_stdout(&self) -> String {
        let collapse =
            |line: &str| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        self.stdout.lines().map(|line| collapse(line) + "\n").collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub(crate) fn assert_exit_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn assert_stderr_contains(self, expected: &[&str]) -> Self {
        for text in expected {
            assert!(self.stderr.contains(text), "missing {text:?} in: {}", self.stderr);
        }
        self
    }
}

/// Waits for a condition that another process or thread brings about, for at most a minute.
#[track_caller]
pub(crate) fn wait_until(condition: &str, mut is_met: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_met() {
        assert!(std::time::Instant::now() < deadline, "not within a minute: {condition}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// A simulator in the test process that counts requests.
pub(crate) struct CountingSimulator {
    simulator: slalom::sim::Simulator,
    _runtime: tokio::runtime::Runtime,
}

impl CountingSimulator {
    pub(crate) fn start() -> Self {
        Self::with_latency(std::time::Duration::ZERO)
    }

    /// A simulator that waits for `latency` before each answer.
    pub(crate) fn with_latency(latency: std::time::Duration) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Two failures that no model name selects: a bad request and a content-policy refusal.
        let rule = |prompt, class| slalom::sim::SimulatorRule {
            prompt: Some(regex::Regex::new(prompt).unwrap()),
            models: Vec::new(),
            steps: vec![slalom::sim::SimulatorStep {
                behavior: Some(slalom::sim::ModelBehavior::Error(class)),
                ..Default::default()
            }],
        };
        let config = slalom::sim::SimulatorConfig {
            latency: Some(latency),
            scenario: vec![
                rule("^refuse this", slalom::chat::FailureClass::BadRequest),
                rule("^filter this", slalom::chat::FailureClass::ContentPolicy),
            ],
            ..Default::default()
        };
        let simulator = runtime.block_on(slalom::sim::Simulator::start(config)).unwrap();
        Self { simulator, _runtime: runtime }
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.simulator.request_count()
    }

    /// Waits until this many requests have arrived.
    pub(crate) fn wait_for_requests(&self, count: u64) {
        wait_until(&format!("{count} requests have arrived"), || self.request_count() >= count);
    }

    pub(crate) fn url(&self) -> String {
        self.simulator.base_url()
    }

    /// A `routes.yaml` that points the simulated providers at this simulator.
    pub(crate) fn routes_yaml(&self) -> String {
        let url = self.simulator.base_url();
        format!(
            "version: 1\nproviders:\n  sim-openai: {{base_url: {url}/v1}}\n  sim-anthropic: {{base_url: {url}}}\n  sim-gemini: {{base_url: {url}/v1beta}}\n"
        )
    }
}
