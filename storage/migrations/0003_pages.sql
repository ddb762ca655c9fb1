-- The name that a sent reply's message has in its chat (a number, at Telegram), as long as it bears
-- buttons: the next reply takes them away. `waits` marks a reply that only tells to wait: another one
-- of its kind may take its place, until anything else is sent.
ALTER TABLE outbox ADD COLUMN sent_as TEXT;
ALTER TABLE outbox ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_with_buttons ON outbox (chat, id) WHERE sent_as IS NOT NULL;

-- The identifier that a guardian will have (sealed): it is known before the account is opened, so
-- that the parent's password manager keeps it with the password.
ALTER TABLE guardians ADD COLUMN reserved BLOB;

-- A personal link for a guardian: it begins the conversation with their name, and proves nothing.
-- `token_key` is a keyed hash; the first chat that comes by it is the only one (`chat`).
CREATE TABLE invitations (
    token_key BLOB PRIMARY KEY,
    guardian INTEGER NOT NULL REFERENCES guardians (id) ON DELETE CASCADE,
    chat BLOB,
    expires_at INTEGER NOT NULL
);
CREATE INDEX invitations_of_guardian ON invitations (guardian);
CREATE INDEX invitations_by_age ON invitations (expires_at);
