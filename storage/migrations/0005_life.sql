-- Life after activation. An account's own number can differ from the register's: `phone_key` is its
-- keyed hash (NULL for accounts of before, until storage.accounts has read their sealed record).
-- `frozen_at`: until the school unfreezes it. `closed_at`: by the parent; it is erased at `erase_at`.
ALTER TABLE accounts ADD COLUMN phone_key BLOB;
ALTER TABLE accounts ADD COLUMN frozen_at INTEGER;
ALTER TABLE accounts ADD COLUMN closed_at INTEGER;
ALTER TABLE accounts ADD COLUMN erase_at INTEGER;
CREATE INDEX accounts_by_phone ON accounts (phone_key);
CREATE INDEX accounts_to_erase ON accounts (erase_at) WHERE erase_at IS NOT NULL;

-- The conversations in which an account is open: told of what happens to it, and closed from there.
CREATE TABLE sign_ins (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    chat BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account, chat)
) WITHOUT ROWID;
CREATE INDEX sign_ins_of_chat ON sign_ins (chat);

-- A code printed on a letter of the school, in place of the register's number. `code_key` is a keyed
-- hash; the first chat that types it is the only one; the row goes when it has served.
CREATE TABLE letters (
    code_key BLOB PRIMARY KEY,
    guardian INTEGER NOT NULL REFERENCES guardians (id) ON DELETE CASCADE,
    chat BLOB,
    expires_at INTEGER NOT NULL
);
CREATE INDEX letters_of_guardian ON letters (guardian);
CREATE INDEX letters_by_age ON letters (expires_at);

-- Other people were told of something that was done to an account, and can object: `notice_key` is
-- the keyed hash of the code that they were given. The row goes when somebody objected.
CREATE TABLE notices (
    notice_key BLOB PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
);
CREATE INDEX notices_of_account ON notices (account);
CREATE INDEX notices_by_age ON notices (expires_at);

-- What was done to an account is read by its parent, too: `subject` stands for the account.
CREATE INDEX audit_by_subject ON audit (subject) WHERE subject IS NOT NULL;

-- "Has an account" is no question any more: the menu offers all that it told.
UPDATE chats SET state = 'menu' WHERE state = 'has_account';
