//! Measures what a new user notices first: startup time, memory, and one prompt, each next to a reference.
//!
//! Run with `cargo bench --bench first_minute`. No figure is asserted, because figures depend on the machine.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its results and aborts if it cannot measure"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use slalom::sim::{Simulator, SimulatorConfig};

const SLALOM: &str = env!("CARGO_BIN_EXE_slalom");
const RUNS: usize = 20;

fn main() {
    // Cargo passes `--bench`, which is ignored.
    let idle = median(|| time_process("/bin/true", &[]));
    println!("startup time, median of {RUNS}");
    println!("  /bin/true                {:6.2} ms", ms(idle));
    print_startup("slalom --version", SLALOM, &["--version"], idle);
    if Command::new("aichat").arg("--version").stdout(Stdio::null()).status().is_ok() {
        print_startup("aichat --version", "aichat", &["--version"], idle);
    } else {
        println!("  aichat                   not installed");
    }
    println!("peak memory, median of {RUNS}");
    print_peak_memory("slalom --version", &["--version"]);
    print_peak_memory("slalom ask", &["ask", "-m", "sim-openai/good", "--sim-latency", "0ms", "hi"]);
    measure_prompt();
}

fn print_startup(name: &str, program: &str, arguments: &[&str], idle: Duration) {
    let elapsed = median(|| time_process(program, arguments));
    println!("  {name:24} {:6.2} ms   {:+.2} ms above /bin/true", ms(elapsed), ms(elapsed) - ms(idle));
}

/// Measures one prompt to a simulator with 200 ms latency.
fn measure_prompt() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ideal = Duration::from_millis(200);
    let settings = SimulatorConfig { latency: Some(ideal), ..SimulatorConfig::default() };
    let simulator = runtime.block_on(Simulator::start(settings)).unwrap();
    let folder = std::env::temp_dir().join(format!("slalom-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let routes = folder.join("routes.yaml");
    let url = simulator.base_url();
    std::fs::write(&routes, format!("version: 1\nproviders:\n  sim-openai: {{base_url: {url}/v1}}\n"))
        .unwrap();
    let config = routes.to_str().unwrap();
    println!(
        "one prompt to a server with {ideal:?} latency, median of {RUNS} (wall time of the whole process)"
    );
    let curl = measure_curl(&url);
    match curl {
        Some(elapsed) => {
            println!(
                "  curl                     {:6.2} ms   {:+.2} ms above the server",
                ms(elapsed),
                ms(elapsed) - ms(ideal)
            );
        }
        None => println!("  curl                     not installed"),
    }
    for (name, more) in [("streamed", &[][..]), ("not streamed", &["--no-stream"][..])] {
        let arguments = [&["--config", config, "ask", "-m", "sim-openai/good", "hi"][..], more].concat();
        let elapsed = median(|| time_process(SLALOM, &arguments));
        let versus_curl = curl.map(|curl| format!(", {:+.2} ms vs. curl", ms(elapsed) - ms(curl)));
        println!(
            "  {name:24} {:6.2} ms   {:+.2} ms above the server{} (target: 206 ms)",
            ms(elapsed),
            ms(elapsed) - ms(ideal),
            versus_curl.unwrap_or_default()
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Measures curl against the same server, as a minimal client. `None` if curl is not installed.
fn measure_curl(url: &str) -> Option<Duration> {
    let body = r#"{"model":"good","messages":[{"role":"user","content":"hi"}]}"#;
    let url = format!("{url}/v1/chat/completions");
    let arguments = ["-s", "-H", "content-type: application/json", "-d", body, &url];
    let is_installed = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    is_installed.then(|| median(|| time_process("curl", &arguments)))
}

fn time_process(program: &str, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let status = quiet_command(program, arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
    start.elapsed()
}

fn quiet_command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn median(mut measure: impl FnMut() -> Duration) -> Duration {
    measure(); // warm up the caches
    let mut all: Vec<Duration> = (0..RUNS).map(|_| measure()).collect();
    all.sort();
    all[RUNS / 2]
}

/// Prints the peak resident memory, measured by GNU time.
fn print_peak_memory(name: &str, arguments: &[&str]) {
    let measure = || {
        let output = Command::new("/usr/bin/time")
            .args(["-f", "%M", SLALOM])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        String::from_utf8_lossy(&output.stderr).lines().last()?.trim().parse::<f64>().ok()
    };
    let mut all: Vec<f64> = (0..RUNS).filter_map(|_| measure()).collect();
    if all.is_empty() {
        println!("  {name:24} not measured: /usr/bin/time is not installed");
        return;
    }
    all.sort_by(f64::total_cmp);
    println!("  {name:24} {:6.2} MiB", all[all.len() / 2] / 1024.0);
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
