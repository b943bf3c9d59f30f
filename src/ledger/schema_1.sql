-- Times are milliseconds since 1970; 0 means never.

-- Health of one model at one base URL.
CREATE TABLE health (
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    sick REAL NOT NULL,
    throttled REAL NOT NULL,
    events REAL NOT NULL,
    consecutive REAL NOT NULL,
    at INTEGER NOT NULL,
    demoted INTEGER NOT NULL,
    open_until INTEGER NOT NULL,
    trips INTEGER NOT NULL,
    tripped INTEGER NOT NULL,
    recovered INTEGER NOT NULL,
    probe_until INTEGER NOT NULL,
    probe_by TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    ramp INTEGER NOT NULL,
    first_token_log REAL NOT NULL,
    first_token_weight REAL NOT NULL,
    token_log REAL NOT NULL,
    token_weight REAL NOT NULL,
    measured INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    failed_as TEXT NOT NULL,
    PRIMARY KEY (provider, base_url, model)
) WITHOUT ROWID;

-- Cooldowns of keys, or of one model behind a key (an empty model means all).
CREATE TABLE block (
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    until INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (key, model)
) WITHOUT ROWID;

-- Leases of calls in flight and tickets of queued calls, by scope. They expire, so a process that died blocks nothing.
CREATE TABLE lease (
    scope TEXT NOT NULL,
    holder TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    nano_dollars INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (scope, holder)
) WITHOUT ROWID;

-- Requests and tokens that were started in each second.
CREATE TABLE pace (
    scope TEXT NOT NULL,
    second INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (scope, second)
) WITHOUT ROWID;

-- A provider's adaptive concurrency limit after 429s.
CREATE TABLE concurrency (
    scope TEXT NOT NULL PRIMARY KEY,
    allowed REAL NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- Spending per UTC day.
CREATE TABLE spend (
    day TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    nano_dollars INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    PRIMARY KEY (day, simulated)
) WITHOUT ROWID;

-- Running statistics of a route's calls, and its first choice.
CREATE TABLE route (
    name TEXT NOT NULL PRIMARY KEY,
    output_tokens REAL NOT NULL,
    cached_share REAL NOT NULL,
    calls REAL NOT NULL,
    leader TEXT NOT NULL
) WITHOUT ROWID;

-- The latest full run of a model on a golden set.
CREATE TABLE score (
    set_path TEXT NOT NULL,
    model TEXT NOT NULL,
    at INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    scored INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (set_path, model)
) WITHOUT ROWID;

-- Eval runs. Unfinished ones can be resumed.
CREATE TABLE run (
    id TEXT NOT NULL PRIMARY KEY,
    set_name TEXT NOT NULL,
    set_path TEXT NOT NULL,
    set_digest TEXT NOT NULL,
    subjects TEXT NOT NULL,
    options TEXT NOT NULL,
    begun INTEGER NOT NULL,
    finished INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX run_of_set ON run (set_path, begun);

-- The result of each case of a run. A cached answer has its original cost.
CREATE TABLE result (
    run TEXT NOT NULL,
    subject TEXT NOT NULL,
    case_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    case_digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    score REAL,
    text TEXT NOT NULL,
    assertions TEXT NOT NULL,
    failure_class TEXT NOT NULL,
    failure TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    served_by TEXT NOT NULL,
    failovers INTEGER NOT NULL,
    nano_dollars INTEGER,
    cost_source TEXT NOT NULL,
    usage TEXT NOT NULL,
    latency_ms REAL,
    queued_ms REAL NOT NULL,
    cached INTEGER NOT NULL,
    PRIMARY KEY (run, subject, case_id, repeat)
) WITHOUT ROWID;

-- Complete answers that evals can use again, by the digest of the request.
CREATE TABLE answer (
    request TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    at INTEGER NOT NULL,
    served_model TEXT NOT NULL,
    parts TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    usage TEXT NOT NULL,
    nano_dollars INTEGER,
    cost_source TEXT NOT NULL,
    PRIMARY KEY (request, repeat)
) WITHOUT ROWID;
