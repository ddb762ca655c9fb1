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
