-- What is left of the weights of a route's candidates, after the scores of a golden set.
CREATE TABLE weight (
    route TEXT NOT NULL,
    model TEXT NOT NULL,
    share REAL NOT NULL,
    at INTEGER NOT NULL,
    set_path TEXT NOT NULL,
    PRIMARY KEY (route, model)
) WITHOUT ROWID;

-- What had to be put right in the form of a failed answer for it to pass. Of results from before nobody knows, so nothing was.
ALTER TABLE result ADD COLUMN repaired_by TEXT NOT NULL DEFAULT '';
