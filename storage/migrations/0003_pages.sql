-- The name that a sent reply's message has in its chat (a number, at Telegram), as long as it bears
-- buttons: the next reply takes them away. `waits` marks a reply that only tells to wait: another one
-- of its kind may take its place, until anything else is sent.
ALTER TABLE outbox ADD COLUMN sent_as TEXT;
ALTER TABLE outbox ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_with_buttons ON outbox (chat, id) WHERE sent_as IS NOT NULL;

-- The identifier that a guardian will have (sealed): it is known before the account is opened, so
-- that the parent's password manager keeps it with the password.
ALTER TABLE guardians ADD COLUMN reserved BLOB;
