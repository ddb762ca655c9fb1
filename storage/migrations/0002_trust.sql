-- Who did what. It holds no personal data: `subject` is a keyed hash, `facts` are counts and words
-- of closed lists (JSON). Each row's `link` is a keyed hash over the row and the link `before` it:
-- a row that is changed, put in or taken out shows.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject BLOB,
    facts TEXT NOT NULL,
    before BLOB NOT NULL,
    link BLOB NOT NULL
);
CREATE INDEX audit_by_age ON audit (at);

-- Who was erased and does not come back with the next import. All are keyed hashes: `key` of name
-- and number, of name and the record's own number, and of the number alone (to readmit); `person`
-- ties those of one person together.
CREATE TABLE erased (
    key BLOB NOT NULL,
    person BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key, person)
) WITHOUT ROWID;

-- What is looked for when a person is erased, or old rows are.
CREATE INDEX codes_by_age ON codes (expires_at);
CREATE INDEX outbox_by_age ON outbox (created_at);
CREATE INDEX guardians_gone ON guardians (gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX pupils_gone ON pupils (gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX accounts_of_guardian ON account_guardians (account);

-- Where a code's number is at home (an ISO 3166 region, shared by millions; '' for codes made
-- before): of how many codes sent to a country come back is watched (RELIABILITY 5). The last
-- ones that were really sent are found without a look at those that were not.
ALTER TABLE codes ADD COLUMN area TEXT NOT NULL DEFAULT '';
CREATE INDEX codes_sent ON codes (sent_at) WHERE real = 1;
CREATE INDEX codes_sent_by_area ON codes (area, sent_at) WHERE real = 1;

-- How many guardians a school has, so that a code's budget does not count a country's each time.
ALTER TABLE schools ADD COLUMN guardians INTEGER NOT NULL DEFAULT 0;
UPDATE schools SET guardians =
    (SELECT count(*) FROM guardians WHERE guardians.uai = schools.uai AND gone_at IS NULL);
