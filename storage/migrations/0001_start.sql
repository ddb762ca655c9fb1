-- Times are whole seconds since 1970, UTC. "sealed" columns are AES-GCM (storage/vault.py), keys
-- are keyed hashes: the file alone shows no name, phone or birthdate.

-- A known value, sealed: it opens only with the secret that sealed everything else.
CREATE TABLE canary (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
);

-- One conversation: `record` is flows.Chat, sealed; `address` where it lives (channel, address).
CREATE TABLE chats (
    chat BLOB PRIMARY KEY,
    state TEXT NOT NULL,
    record BLOB NOT NULL,
    address BLOB NOT NULL,
    wake_at INTEGER,
    updated_at INTEGER NOT NULL
);
CREATE INDEX chats_by_wake ON chats (wake_at) WHERE wake_at IS NOT NULL;

-- Updates that were taken: the same one delivered twice does nothing twice.
CREATE TABLE updates (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
);
CREATE INDEX updates_by_age ON updates (at);

-- What must still be sent, written in the turn's own transaction. kind: reply, erase, sms.
-- status: waiting, sending (an SMS that may have left is never sent again), sent, failed.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat BLOB NOT NULL,
    kind TEXT NOT NULL,
    body BLOB,
    status TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER
);
CREATE INDEX outbox_to_send ON outbox (due_at) WHERE status = 'waiting';
CREATE INDEX outbox_by_chat ON outbox (chat, id) WHERE status = 'waiting';

-- The register, as the schools' exports say. source_key stands for what identifies somebody in
-- their school's export, name_key for their names; neither is unique for ever, since schools'
-- software gives an identifier of someone who left to someone else. gone_at is set when a later
-- export no longer has the person, and for pupils who are listed as having left.
CREATE TABLE schools (
    uai TEXT PRIMARY KEY,
    format TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    year TEXT NOT NULL DEFAULT '',
    imported_at INTEGER NOT NULL
);

CREATE TABLE guardians (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uai TEXT NOT NULL REFERENCES schools (uai),
    source_key BLOB NOT NULL,
    name_key BLOB NOT NULL,
    digest BLOB NOT NULL,
    sealed BLOB NOT NULL,
    gone_at INTEGER
);
CREATE INDEX guardians_by_source ON guardians (uai, source_key);
CREATE INDEX guardians_by_name ON guardians (uai, name_key);

CREATE TABLE guardian_phones (
    phone_key BLOB NOT NULL,
    guardian INTEGER NOT NULL REFERENCES guardians (id) ON DELETE CASCADE,
    PRIMARY KEY (phone_key, guardian)
) WITHOUT ROWID;
CREATE INDEX phones_of_guardian ON guardian_phones (guardian);

CREATE TABLE pupils (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uai TEXT NOT NULL REFERENCES schools (uai),
    source_key BLOB NOT NULL,
    name_key BLOB NOT NULL,
    digest BLOB NOT NULL,
    sealed BLOB NOT NULL,
    gone_at INTEGER
);
CREATE INDEX pupils_by_source ON pupils (uai, source_key);
CREATE INDEX pupils_by_name ON pupils (uai, name_key);

CREATE TABLE links (
    guardian INTEGER NOT NULL REFERENCES guardians (id) ON DELETE CASCADE,
    pupil INTEGER NOT NULL REFERENCES pupils (id) ON DELETE CASCADE,
    legal INTEGER NOT NULL,
    PRIMARY KEY (guardian, pupil)
) WITHOUT ROWID;
CREATE INDEX links_of_pupil ON links (pupil);

-- One-time codes. `hash` is keyed and bound to chat, number and purpose; `real` is 0 for a number
-- that the register does not know: no SMS leaves and no code is ever right.
CREATE TABLE codes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat BLOB NOT NULL,
    phone_key BLOB NOT NULL,
    salt BLOB NOT NULL,
    hash BLOB NOT NULL,
    real INTEGER NOT NULL,
    tries_left INTEGER NOT NULL,
    old_pardons INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'current'
);
CREATE INDEX codes_of_chat ON codes (chat, id);

-- Everything that is counted against a limit: one row an event, counted over a moving window.
-- `detail` tells events apart where only different ones count.
CREATE TABLE tallies (
    kind TEXT NOT NULL,
    subject BLOB NOT NULL,
    detail BLOB NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX tallies_by_subject ON tallies (kind, subject, at);
CREATE INDEX tallies_by_age ON tallies (at);

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identifier_key BLOB NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    sealed BLOB NOT NULL,
    chat BLOB NOT NULL,
    opened_at INTEGER NOT NULL
);

-- How many accounts share the stem "m.dupont": the next one gets the next number.
CREATE TABLE identifier_stems (
    stem_key BLOB PRIMARY KEY,
    taken INTEGER NOT NULL
);

-- A guardian has one account at most, whoever asks and however many at once (invariant I2).
CREATE TABLE account_guardians (
    guardian INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE
);

CREATE TABLE account_pupils (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    pupil INTEGER NOT NULL,
    PRIMARY KEY (account, pupil)
) WITHOUT ROWID;

-- What the school should look at: "not_mine" (not this parent's child), "birthdate" (refused 3 times).
CREATE TABLE school_notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    about TEXT NOT NULL,
    uai TEXT NOT NULL,
    guardian INTEGER NOT NULL,
    pupil INTEGER NOT NULL,
    at INTEGER NOT NULL
);
