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
