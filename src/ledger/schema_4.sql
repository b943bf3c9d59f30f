-- Which run, subject and case asked for an answer, and how long it took, in milliseconds. Of answers from before nobody knows.
ALTER TABLE answer ADD COLUMN asker TEXT NOT NULL DEFAULT '';
ALTER TABLE answer ADD COLUMN latency_ms REAL;
ALTER TABLE answer ADD COLUMN first_token_ms REAL;
