-- The process that is sending a parcel (a random number): when it lives no more, another takes over.
ALTER TABLE outbox ADD COLUMN worker INTEGER;
CREATE INDEX outbox_sending ON outbox (worker) WHERE status = 'sending';
