-- The highest number that was ever given to a row of these tables, where no number may be given
-- twice, or be left out without a trace, whatever was deleted since: guardians, pupils, audit.
CREATE TABLE numbers (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
);
INSERT INTO numbers (name, last) SELECT name, seq FROM sqlite_sequence
    WHERE name IN ('guardians', 'pupils', 'audit');
