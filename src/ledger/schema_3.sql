-- What judging a case took, as JSON; empty where nothing was judged.
ALTER TABLE result ADD COLUMN judging TEXT NOT NULL DEFAULT '';
