//! Measures the overhead of routing: a failover, an open circuit breaker, and a call vs. a bare client.
//!
//! Run with `cargo bench --bench failover`. Each figure is printed next to its ideal, measured alternately in
//! the same run, on loopback. No figure is asserted, because figures depend on the machine.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its results and aborts if it cannot measure"
)]

mod bare;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bare::RecordingTransport;
use slalom::catalog::Catalog;
use slalom::chat::Request;
use slalom::ledger::Ledger;
use slalom::provider::{
    AuthScheme, HttpTransport, ModelRef, Provider, Target, Transport, built_in_providers,
};
use slalom::route::{CallOptions, Candidate, Clock, HealthStore, Route, RoutePolicy, Router, SilentObserver};
use slalom::sim::{Simulator, SimulatorConfig};

/// Consecutive failures that open a breaker.
const FAILURES_TO_OPEN: usize = 3;

const CALLS_PER_MEASUREMENT: usize = 1000;
const PROCESSES_PER_MEASUREMENT: usize = 60;

fn main() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let settings = SimulatorConfig { latency: Some(Duration::ZERO), ..SimulatorConfig::default() };
            let mut simulator = Simulator::start(settings).await.unwrap();
            sender.send(simulator.base_url()).unwrap();
            simulator.run_until_stopped().await.unwrap();
        });
    });
    let live_url = receiver.recv().unwrap();
    // The bare client requires a crypto provider, although it only uses HTTP here.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = runtime();
    let _entered = runtime.enter();
    // Bound, so that no other process gets the port, but not listening, so that it refuses connections.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = format!("http://{}", socket.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.db");
    runtime.block_on(async {
        for (name, path) in [("in memory", None), ("in a file", Some(ledger.as_path()))] {
            println!("health {name}, medians of {CALLS_PER_MEASUREMENT} calls");
            compare_with_bare_client(&live_url, path).await;
            measure_failover(&dead, &live_url, path).await;
        }
    });
    measure_binary(&dead, &live_url, folder.path());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A router over real connections, with its ledger in memory or in a file.
fn router(transport: Arc<dyn Transport>, ledger: Option<&Path>) -> Router {
    let ledger = Arc::new(ledger.map_or_else(Ledger::in_memory, Ledger::open));
    let clock: Clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
    Router::new(transport, HealthStore::new(ledger, clock, fastrand::Rng::new()), fastrand::Rng::new())
}

const PROVIDER_NAMES: [&str; 2] = ["first", "second"];

/// A route with one candidate per server URL.
fn route(urls: &[&str]) -> Route {
    let row = built_in_providers().unwrap().into_iter().find(|row| row.name == "openai").unwrap();
    let candidates = urls.iter().zip(PROVIDER_NAMES).map(|(url, name)| {
        let (name, base_url) = (name.to_owned(), format!("{url}/v1"));
        let model_ref = ModelRef { provider: name.clone(), model: "good".into() };
        let provider =
            Provider { name, base_url, base_url_variable: None, auth: AuthScheme::None, ..row.clone() };
        let (provider, no_key) = (Arc::new(provider), |_: &str| None);
        let target = Target::resolve(model_ref.clone(), &provider, &Catalog::default(), &no_key);
        Candidate::new(model_ref, target)
    });
    Route { name: None, candidates: candidates.collect(), policy: RoutePolicy::default() }
}

fn options(stream: bool) -> CallOptions {
    CallOptions { id: "bench".into(), requested_model: "bench".into(), stream, ..CallOptions::default() }
}

async fn time_call(router: &Router, route: &Route, stream: bool) -> Duration {
    let request = Request::from_prompt("hi");
    let start = Instant::now();
    let options = options(stream);
    let plan = router.plan(route, &request, &options);
    let record = router.run(plan, &mut SilentObserver).await;
    let elapsed = start.elapsed();
    assert!(record.outcome.is_ok(), "{:?}", record.outcome);
    elapsed
}

/// Compares one call, to a server without latency, with the same bytes sent by plain `reqwest`.
async fn compare_with_bare_client(url: &str, ledger: Option<&Path>) {
    let client = bare::client();
    let route = route(&[url]);
    for (name, stream) in [("streamed", true), ("not streamed", false)] {
        let recorder = Arc::new(RecordingTransport::new());
        time_call(&router(Arc::clone(&recorder) as Arc<dyn Transport>, None), &route, stream).await;
        let outgoing = recorder.take_last_request();
        let router = router(Arc::new(http()), ledger);
        let (mut direct, mut routed) = (Vec::new(), Vec::new());
        for _ in 0..CALLS_PER_MEASUREMENT + 50 {
            direct.push(bare::time_request(&client, outgoing.clone()).await);
            routed.push(time_call(&router, &route, stream).await);
        }
        let (direct, routed) = (median(&mut direct[50..]), median(&mut routed[50..]));
        print_measurement(&format!("call, {name}"), routed, "bare reqwest", direct, 0.35);
    }
}

fn http() -> HttpTransport {
    HttpTransport::new(Duration::from_secs(5))
}

/// Measures the delay until the second candidate answers if the first refuses connections, with its breaker
/// closed and open.
async fn measure_failover(dead: &str, alive: &str, ledger: Option<&Path>) {
    let router = router(Arc::new(http()), ledger);
    let (two, one) = (route(&[dead, alive]), route(&[alive]));
    let target = two.candidates[0].target.as_ref().unwrap();
    let (mut failover, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..CALLS_PER_MEASUREMENT {
        // Reset the health, or the breaker would open.
        router.health().reset(target).await.unwrap();
        failover.push(time_call(&router, &two, true).await);
        baseline.push(time_call(&router, &one, true).await);
    }
    print_measurement("failover", median(&mut failover), "second alone", median(&mut baseline), 5.0);
    for _ in 0..FAILURES_TO_OPEN {
        time_call(&router, &two, true).await;
    }
    (failover, baseline) = (Vec::new(), Vec::new());
    for _ in 0..CALLS_PER_MEASUREMENT {
        failover.push(time_call(&router, &two, true).await);
        baseline.push(time_call(&router, &one, true).await);
    }
    print_measurement("breaker open", median(&mut failover), "second alone", median(&mut baseline), 1.0);
    router.health().reset(target).await.unwrap();
}

/// Like [`measure_failover`], but for the whole process, including startup and the ledger.
fn measure_binary(dead: &str, alive: &str, folder: &Path) {
    let routes = format!(
        "version: 1\nproviders:\n  sim-openai: {{base_url: '{dead}/v1'}}\n  sim-anthropic: {{base_url: '{alive}'}}\nroutes:\n  two: {{candidates: [sim-openai/good, sim-anthropic/good]}}\n  one: {{candidates: [sim-anthropic/good]}}\n"
    );
    let (config, ledger) = (folder.join("routes.yaml"), folder.join("binary.db"));
    std::fs::write(&config, routes).unwrap();
    let slalom = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slalom"));
        command.args(arguments).env("SLALOM_CONFIG", &config).env("SLALOM_LEDGER", &ledger);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let run = |route: &str| {
        let start = Instant::now();
        let status = slalom(&["route", route, "hi"]).status().unwrap();
        assert!(status.success());
        start.elapsed()
    };
    let reset = || {
        let status = slalom(&["route", "two", "--reset"]).status().unwrap();
        assert!(status.success());
    };
    println!("the slalom binary, medians of {PROCESSES_PER_MEASUREMENT} processes");
    run("one");
    for (name, open, target) in [("failover", false, 5.0), ("breaker open", true, 1.0)] {
        let (mut failover, mut baseline) = (Vec::new(), Vec::new());
        for _ in 0..PROCESSES_PER_MEASUREMENT {
            if open {
                for _ in 0..FAILURES_TO_OPEN {
                    run("two");
                }
            }
            for (route, all) in [("two", &mut failover), ("one", &mut baseline)] {
                if !open {
                    reset();
                }
                all.push(run(route));
            }
        }
        print_measurement(name, median(&mut failover), "second alone", median(&mut baseline), target);
    }
}

fn print_measurement(name: &str, measured: Duration, baseline: &str, ideal: Duration, target: f64) {
    let ms = |span: Duration| span.as_secs_f64() * 1000.0;
    let overhead = ms(measured) - ms(ideal);
    println!(
        "  {name:18} {:7.3} ms   {overhead:+7.3} ms vs. {baseline} {:.3} ms (target: {target} ms)",
        ms(measured),
        ms(ideal)
    );
}

fn median(all: &mut [Duration]) -> Duration {
    all.sort();
    all[all.len() / 2]
}
