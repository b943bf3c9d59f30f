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
