# What CI runs, and its parts.

ci:
    bash .ci/run

test:
    cargo test

lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

bench:
    cargo bench --bench decode
    cargo bench --bench evals
    cargo bench --bench failover
    cargo bench --bench first_minute
    cargo bench --bench simulator
