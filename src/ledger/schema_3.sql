-- Usage of judges, as JSON; empty without judges.
ALTER TABLE result ADD COLUMN judging TEXT NOT NULL DEFAULT '';
