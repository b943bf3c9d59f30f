-- The run, subject, and case that requested an answer, and its latency in milliseconds; unknown for older answers.
ALTER TABLE answer ADD COLUMN asker TEXT NOT NULL DEFAULT '';
ALTER TABLE answer ADD COLUMN latency_ms REAL;
ALTER TABLE answer ADD COLUMN first_token_ms REAL;
