# Run all CI checks
ci:
    bash .ci/run

# Run the tests
test:
    cargo test

# Run the tests that need ../shared
test-shared:
    bash .ci/shared-tests

# Check formatting and lints
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Run all benchmarks
bench:
    cargo bench --bench decode
    cargo bench --bench evals
    cargo bench --bench failover
    cargo bench --bench first_minute
    cargo bench --bench simulator
