-- What became of an SMS: which sender took it and when, how many were paid for, what was reported of
-- it later and when. `message_key` is a keyed hash of the name that the provider gave it.
ALTER TABLE outbox ADD COLUMN sender TEXT;
ALTER TABLE outbox ADD COLUMN message_key BLOB;
ALTER TABLE outbox ADD COLUMN segments INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN handed_at INTEGER;
ALTER TABLE outbox ADD COLUMN report TEXT;
ALTER TABLE outbox ADD COLUMN reported_at INTEGER;
CREATE INDEX outbox_by_message ON outbox (message_key) WHERE message_key IS NOT NULL;
CREATE INDEX outbox_sms_of_chat ON outbox (chat, id) WHERE kind = 'sms';

-- Accounts in an outside service (storage/directories). `account_key` is our name for an account
-- there, NULL for one that is opened here; its parcels have it for their `chat`. `told` is a keyed
-- digest of what the service was last told. Such an account has no password here.
ALTER TABLE accounts ADD COLUMN account_key BLOB;
ALTER TABLE accounts ADD COLUMN told BLOB;
CREATE UNIQUE INDEX accounts_by_key ON accounts (account_key) WHERE account_key IS NOT NULL;

-- Accounts that the service has not acknowledged yet: the guardian is taken from now on (invariant
-- I2). `sealed`: for whom, with which children, under which identifier. `under_way` is 0
-- once it has come to its end without an account; something may be there all the same.
CREATE TABLE openings (
    account_key BLOB PRIMARY KEY,
    guardian INTEGER NOT NULL UNIQUE REFERENCES guardians (id) ON DELETE CASCADE,
    chat BLOB NOT NULL,
    sealed BLOB NOT NULL,
    under_way INTEGER NOT NULL,
    begun_at INTEGER NOT NULL
);
CREATE INDEX openings_by_age ON openings (begun_at);

-- A password, sealed with a key of its own, from the moment that it was typed twice until the
-- service has it: 30 minutes at most (DESIGN, decision 9). Only for services that need it in clear.
CREATE TABLE passwords (
    chat BLOB PRIMARY KEY,
    sealed BLOB NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX passwords_by_age ON passwords (expires_at);

-- The process that is sending a parcel (a random number): when it lives no more, another takes over.
ALTER TABLE outbox ADD COLUMN worker INTEGER;
CREATE INDEX outbox_sending ON outbox (worker) WHERE status = 'sending';

-- The highest number that was ever given to a row of these tables, where no number may be given
-- twice, or be left out without a trace, whatever was deleted since: guardians, pupils, audit.
CREATE TABLE numbers (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
);
INSERT INTO numbers (name, last) SELECT name, seq FROM sqlite_sequence
    WHERE name IN ('guardians', 'pupils', 'audit');
