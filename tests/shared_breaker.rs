//! One circuit breaker for all processes: 200 short-lived processes share one ledger and one dead provider.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Instant;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

/// The total number of processes, and how many run at a time.
const PROCESSES: usize = 200;
const CONCURRENCY: usize = 16;

/// A provider that answers 503, counts requests, and delays its responses while `held` is set.
struct DeadProvider {
    address: SocketAddr,
    state: Arc<DeadProviderState>,
}

#[derive(Default)]
struct DeadProviderState {
    hits: AtomicUsize,
    held: Mutex<bool>,
    released: Condvar,
}

impl DeadProvider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(DeadProviderState::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || state.answer(stream));
            }
        });
        Self { address, state }
    }

    fn request_count(&self) -> usize {
        self.state.hits.load(Ordering::SeqCst)
    }

    fn set_held(&self, held: bool) {
        *self.state.held.lock().unwrap() = held;
        self.state.released.notify_all();
    }
}

impl DeadProviderState {
    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if reader.read_exact(&mut vec![0; length]).is_err() || length == 0 {
            return;
        }
        self.hits.fetch_add(1, Ordering::SeqCst);
        drop(self.released.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
        let reply = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        // The client may have disconnected.
        let _ = stream.write_all(reply.as_bytes());
    }
}

/// A route whose first candidate is the dead provider.
struct SharedBreakerFixture {
    cli: CliHarness,
    alive: CountingSimulator,
}

impl SharedBreakerFixture {
    fn new(dead: SocketAddr) -> Self {
        let alive = CountingSimulator::start();
        let url = alive.url();
        let routes = format!(
            "version: 1\nproviders:\n  sim-openai: {{base_url: 'http://{dead}/v1'}}\n  sim-anthropic: {{base_url: '{url}'}}\nroutes:\n  two: {{candidates: [sim-openai/good, sim-anthropic/good]}}\n"
        );
        Self { cli: CliHarness::new().with_file("routes.yaml", &routes), alive }
    }

    fn run_route(&self) -> CliOutput {
        self.cli.run(&["--ledger", "ledger.db", "route", "two", "--json", "hi"])
    }

    /// Runs the processes, `CONCURRENCY` at a time. Each must get an answer.
    fn run_route_in_parallel(&self, processes: usize) {
        let left = AtomicUsize::new(processes);
        let take =
            || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        std::thread::scope(|scope| {
            for _ in 0..CONCURRENCY {
                scope.spawn(|| {
                    while take() {
                        let envelope = self.run_route().assert_exit_code(0).json();
                        assert_eq!(envelope["provider"], "sim-anthropic");
                    }
                });
            }
        });
    }

    fn health(&self, provider: &str) -> StoredHealth {
        let ledger = rusqlite::Connection::open(self.cli.path("ledger.db")).unwrap();
        let columns = "consecutive, trips, open_until, probe_until, demoted, first_token_weight";
        ledger
            .query_row(&format!("SELECT {columns} FROM health WHERE provider = ?1"), [provider], |row| {
                Ok(StoredHealth {
                    consecutive_failures: row.get(0)?,
                    trips: row.get(1)?,
                    open_until: row.get(2)?,
                    probe_until: row.get(3)?,
                    is_demoted: row.get(4)?,
                    measurements: row.get(5)?,
                })
            })
            .unwrap()
    }
}

/// What the ledger says about a provider's only model.
#[derive(Debug, PartialEq)]
struct StoredHealth {
    consecutive_failures: f64,
    trips: u32,
    open_until: i64,
    probe_until: i64,
    is_demoted: bool,
    measurements: f64,
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// `dead_requests` returns the number of requests at the dead provider, or `None` if it cannot count them.
fn assert_breaker_is_shared(fixture: &SharedBreakerFixture, dead_requests: impl Fn() -> Option<usize>) {
    let start = Instant::now();
    fixture.run_route_in_parallel(PROCESSES);
    let (dead, alive, elapsed) =
        (fixture.health("sim-openai"), fixture.health("sim-anthropic"), start.elapsed());

    // No failure was lost: consecutive failures add up and do not decay.
    let calls = dead.consecutive_failures as usize;
    assert_eq!(dead.consecutive_failures.fract(), 0.0);
    if let Some(dead_requests) = dead_requests() {
        assert_eq!(calls, dead_requests, "recorded failures differ from the requests");
    }
    // Each trip after the first is a failed probe.
    let probes = dead.trips.saturating_sub(1) as usize;
    println!(
        "{PROCESSES} processes in {elapsed:.1?}: {calls} calls to the dead provider, {probes} of them probes"
    );
    assert!(calls <= 3 + (CONCURRENCY - 1) + probes, "{calls} calls, {probes} probes");
    // No success was lost either. Their weight decays with a half-life of one hour.
    assert_eq!(fixture.alive.request_count(), PROCESSES as u64, "expected one answer per process");
    let min_weight = PROCESSES as f64 * 2_f64.powf(-elapsed.as_secs_f64() / 3600.0);
    let weight = alive.measurements;
    assert!(
        weight >= min_weight - 1e-6 && weight <= PROCESSES as f64,
        "{weight} measurements, expected at least {min_weight}"
    );
    assert_eq!((alive.consecutive_failures, alive.open_until), (0.0, 0));

    // On a slow machine a probe may be due: after it fails, the breaker stays open for at least 24 s.
    let tripped = dead.trips > 0;
    if tripped && dead.open_until < now() + 5_000 {
        fixture.run_route().assert_exit_code(0);
    }
    let before = fixture.health("sim-openai");
    let envelope = fixture.run_route().assert_exit_code(0).json();
    assert_eq!(envelope["attempts"].as_array().unwrap().len(), 1, "{envelope}");
    // If two failures were recorded before a third call began, the candidate is only demoted.
    assert!(tripped || calls == 2 && dead.is_demoted, "{dead:?}");
    let skipped = envelope["skipped"][0]["reason"].as_str();
    assert_eq!(skipped, tripped.then_some("breaker_open"), "{envelope}");
    assert_eq!(fixture.health("sim-openai"), before, "the dead provider was called");
    if let Some(dead_requests) = dead_requests() {
        assert_eq!(before.consecutive_failures as usize, dead_requests);
    }
}

#[test]
fn status_503_opens_breaker_for_all_processes() {
    let dead = DeadProvider::start();
    let fixture = SharedBreakerFixture::new(dead.address);
    assert_breaker_is_shared(&fixture, || Some(dead.request_count()));

    // Half-open: of 16 concurrent processes, one sends the probe; the others use the next candidate.
    let ledger = fixture.cli.path("ledger.db");
    let due = now() - 1;
    let changed = rusqlite::Connection::open(&ledger)
        .unwrap()
        .execute("UPDATE health SET open_until = ?1 WHERE provider = 'sim-openai'", [due])
        .unwrap();
    assert_eq!(changed, 1);
    let before = dead.request_count();
    dead.set_held(true);
    let (done, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..CONCURRENCY {
            let (fixture, done) = (&fixture, done.clone());
            scope.spawn(move || {
                let output = fixture.run_route();
                done.send(()).unwrap();
                output.assert_exit_code(0);
            });
        }
        (1..CONCURRENCY).for_each(|_| ended.recv().unwrap());
        dead.set_held(false);
    });
    assert_eq!(dead.request_count() - before, 1, "more than one probe at a time");
    let row = fixture.health("sim-openai");
    assert!(
        row.open_until > due && row.probe_until == 0,
        "the failed probe must reopen the breaker and release its slot: {row:?}"
    );
}

#[test]
fn refused_connections_open_breaker_for_all_processes() {
    // Bound to reserve the port, but never listening.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_breaker_is_shared(&SharedBreakerFixture::new(socket.local_addr().unwrap()), || None);
}
