-- Times are milliseconds since 1970; 0 is never.

-- What calls taught of one model at one address.
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

-- Keys, and models behind them (the empty model is all of them), that want to be left alone.
CREATE TABLE block (
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    until INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (key, model)
) WITHOUT ROWID;

-- Calls in flight, by what they count against, and calls that wait for that. A process that died leaves no lease for ever.
CREATE TABLE lease (
    scope TEXT NOT NULL,
    holder TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    nano_dollars INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (scope, holder)
) WITHOUT ROWID;

-- What was begun in each second.
CREATE TABLE pace (
    scope TEXT NOT NULL,
    second INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (scope, second)
) WITHOUT ROWID;

-- How many calls a provider is given at once since it complained.
CREATE TABLE concurrency (
    scope TEXT NOT NULL PRIMARY KEY,
    allowed REAL NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

-- What was spent on a day.
CREATE TABLE spend (
    day TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    nano_dollars INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    PRIMARY KEY (day, simulated)
) WITHOUT ROWID;

-- What the calls of a route were like, and who was its first choice.
CREATE TABLE route (
    name TEXT NOT NULL PRIMARY KEY,
    output_tokens REAL NOT NULL,
    cached_share REAL NOT NULL,
    calls REAL NOT NULL,
    leader TEXT NOT NULL
) WITHOUT ROWID;

-- The newest full run of a golden set against a model.
CREATE TABLE score (
    set_path TEXT NOT NULL,
    model TEXT NOT NULL,
    at INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    scored INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (set_path, model)
) WITHOUT ROWID;

-- Golden sets that were run. One that has a result for every case and repeat is finished; the others can be taken up again.
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

-- What became of each case of a run. The cost of a cached answer is what it would have been.
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

-- Whole answers that evals may use again, by the digest of the very request.
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
