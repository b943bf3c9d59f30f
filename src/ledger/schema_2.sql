-- Weight shares of a route's candidates, set from eval scores.
CREATE TABLE weight (
    route TEXT NOT NULL,
    model TEXT NOT NULL,
    share REAL NOT NULL,
    at INTEGER NOT NULL,
    set_path TEXT NOT NULL,
    PRIMARY KEY (route, model)
) WITHOUT ROWID;

-- The format repair with which a failed answer would pass; empty for older results.
ALTER TABLE result ADD COLUMN repaired_by TEXT NOT NULL DEFAULT '';
