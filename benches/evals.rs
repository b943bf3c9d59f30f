//! Measures the overhead of an eval: wall time compared with a bare client, memory, and cases per second.
//!
//! Run with `cargo bench --bench evals`. The server is a separate process on loopback, and each figure is
//! printed next to its ideal from the same run. No figure is asserted, because figures depend on the machine.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its results and aborts if it cannot measure"
)]

mod bare;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bare::RecordingTransport;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use slalom::catalog::Catalog;
use slalom::chat::Request;
use slalom::ledger::Ledger;
use slalom::provider::{
    AuthScheme, ModelRef, OutgoingRequest, Provider, Target, Transport, built_in_providers,
};
use slalom::route::{CallOptions, Candidate, Clock, HealthStore, Route, RoutePolicy, Router, SilentObserver};

const SLALOM: &str = env!("CARGO_BIN_EXE_slalom");
/// Cases in flight at once.
const CONCURRENCY: usize = 50;
/// Latency of the server in the runs that are compared with the bare client.
const LATENCY: Duration = Duration::from_millis(200);

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = SimProcess::start("200ms");
    println!(
        "{CONCURRENCY} cases in flight, server with {} ms latency in another process",
        LATENCY.as_millis()
    );
    for cases in [600, 6000] {
        let bare = run_bare_client(&server.url, cases);
        let eval = run_eval(folder.path(), &server.url, cases);
        let ideal = LATENCY * u32::try_from(cases.div_ceil(CONCURRENCY)).unwrap();
        println!("  {cases} cases");
        println!(
            "    wall time         {:9.3} s     × {:.3} vs. bare reqwest {:.3} s (target: 1.04), ideal {:.1} s",
            eval.elapsed.as_secs_f64(),
            eval.elapsed.as_secs_f64() / bare.elapsed.as_secs_f64(),
            bare.elapsed.as_secs_f64(),
            ideal.as_secs_f64()
        );
        print_peak_memory(&eval);
        for (name, percent) in [("p50", 0.5), ("p95", 0.95)] {
            let bare_latency = bare.percentile(percent);
            let reported = eval.report["latency_ms"][name].as_f64().unwrap();
            println!(
                "    latency {name}      {reported:10.2} ms   {:+.2}% vs. bare reqwest {bare_latency:.2} ms, {:+.2}% vs. server 200 ms (target: 2%)",
                (reported / bare_latency - 1.0) * 100.0,
                (reported / 200.0 - 1.0) * 100.0
            );
        }
    }
    drop(server);
    let server = SimProcess::start("0ms");
    println!("{CONCURRENCY} cases in flight, simulator without latency in another process");
    for cases in [1_000, 10_000, 100_000] {
        let eval = run_eval(folder.path(), &server.url, cases);
        let bare = run_bare_client(&server.url, cases.min(20_000));
        let per_second = |count: usize, elapsed: Duration| count as f64 / elapsed.as_secs_f64();
        println!("  {cases} cases");
        println!(
            "    cases per second  {:9.0}       vs. bare reqwest {:.0} on one thread (target: 5000)",
            per_second(cases, eval.elapsed),
            per_second(cases.min(20_000), bare.elapsed)
        );
        println!(
            "    CPU time          {:9.1} µs    per case, all threads of the eval",
            eval.cpu_us / cases as f64
        );
        print_peak_memory(&eval);
    }
}

fn print_peak_memory(eval: &EvalRun) {
    println!("    peak memory       {:9.1} MiB   (target: 40 MiB)", eval.peak_kib / 1024.0);
}

/// `slalom sim` in its own process, killed on drop.
struct SimProcess {
    child: Child,
    url: String,
}

impl SimProcess {
    fn start(latency: &str) -> Self {
        let mut child = Command::new(SLALOM)
            .args(["sim", "--port", "0", "--latency", latency])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        Self { url: url.trim_end_matches(';').to_owned(), child }
    }
}

impl Drop for SimProcess {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct EvalRun {
    elapsed: Duration,
    peak_kib: f64,
    cpu_us: f64,
    /// The JSON report of the only subject.
    report: Value,
}

/// Runs the command with a new ledger and measures it from start to exit.
fn run_eval(folder: &Path, url: &str, cases: usize) -> EvalRun {
    let routes = folder.join("routes.yaml");
    let text = format!("version: 1\nproviders:\n  sim-openai: {{base_url: {url}/v1}}\n");
    std::fs::write(&routes, text).unwrap();
    let ledger = folder.join(format!("{cases}.db"));
    let mut child = Command::new(SLALOM)
        .arg("--config")
        .arg(&routes)
        .arg("eval")
        .arg(write_set(folder, cases))
        .args([
            "-m",
            "sim-openai/good",
            "-j",
            &CONCURRENCY.to_string(),
            "--no-cache",
            "--json",
            "--min-pass-rate",
            "0",
        ])
        .env("SLALOM_LEDGER", &ledger)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut peak_kib, mut cpu_us) = (0.0, 0.0);
    while child.try_wait().unwrap().is_none() {
        peak_kib = peak_memory_kib(&status).unwrap_or(peak_kib);
        cpu_us = cpu_time_us(&status).unwrap_or(cpu_us);
        std::thread::sleep(Duration::from_millis(2));
    }
    let elapsed = start.elapsed();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = report["runs"][0]["subjects"][0].clone();
    assert_eq!(report["unscored"], 0, "{report}");
    assert_eq!(report["passed"].as_u64().unwrap() + report["failed"].as_u64().unwrap(), cases as u64);
    EvalRun { elapsed, peak_kib, cpu_us, report }
}

fn peak_memory_kib(process: &Path) -> Option<f64> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// CPU time of all threads of a process. Linux counts it in units of 10 ms.
fn cpu_time_us(process: &Path) -> Option<f64> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks * 10_000.0)
}

/// Writes a golden set that takes its cases from a CSV file.
fn write_set(folder: &Path, cases: usize) -> PathBuf {
    let path = folder.join(format!("{cases}.yaml"));
    let mut rows = String::from("id,ticket,reference\n");
    for n in 0..cases {
        writeln!(rows, "ticket-{n},I was charged twice for order {n} and want my money back,billing {n}")
            .unwrap();
    }
    std::fs::write(folder.join(format!("{cases}.csv")), rows).unwrap();
    let set = format!(
        "version: 1\nname: bench\nsystem: Sort the ticket\nprompt: 'Ticket: {{{{ ticket }}}}'\nassert: [not-is-refusal, {{length: {{max: 2000}}}}]\ncases_from: [{cases}.csv]\n"
    );
    std::fs::write(&path, set).unwrap();
    path
}

struct BareClientRun {
    elapsed: Duration,
    /// Sorted, in milliseconds.
    latencies: Vec<f64>,
}

impl BareClientRun {
    fn percentile(&self, share: f64) -> f64 {
        self.latencies[((self.latencies.len() - 1) as f64 * share).round() as usize]
    }
}

/// Sends the same bytes with plain `reqwest`, at the same concurrency.
fn run_bare_client(url: &str, cases: usize) -> BareClientRun {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let outgoing = capture_request(url).await;
        let client = bare::client();
        let send = || async { bare::time_request(&client, outgoing.clone()).await.as_secs_f64() * 1000.0 };
        let start = Instant::now();
        let mut latencies: Vec<f64> =
            stream::iter(0..cases).map(|_| send()).buffer_unordered(CONCURRENCY).collect().await;
        let elapsed = start.elapsed();
        latencies.sort_by(f64::total_cmp);
        BareClientRun { elapsed, latencies }
    })
}

async fn capture_request(url: &str) -> OutgoingRequest {
    let row = built_in_providers().unwrap().into_iter().find(|row| row.name == "openai").unwrap();
    let provider =
        Provider { base_url: format!("{url}/v1"), base_url_variable: None, auth: AuthScheme::None, ..row };
    let model_ref = ModelRef { provider: "openai".into(), model: "good".into() };
    let target =
        Target::resolve(model_ref.clone(), &Arc::new(provider), &Catalog::default(), &|_: &str| None);
    let candidates = vec![Candidate::new(model_ref, target)];
    let route = Route { name: None, candidates, policy: RoutePolicy::default() };
    let transport = Arc::new(RecordingTransport::new());
    let clock: Clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
    let health = HealthStore::new(Arc::new(Ledger::in_memory()), clock, fastrand::Rng::new());
    let router = Router::new(Arc::clone(&transport) as Arc<dyn Transport>, health, fastrand::Rng::new());
    let request = Request {
        system_prompt: Some("Sort the ticket".into()),
        ..Request::from_prompt("Ticket: I was charged twice for order 17 and want my money back")
    };
    let options =
        CallOptions { id: "bench".into(), requested_model: "bench".into(), ..CallOptions::default() };
    let plan = router.plan(&route, &request, &options);
    let record = router.run(plan, &mut SilentObserver).await;
    assert!(record.outcome.is_ok());
    transport.take_last_request()
}
