-- Where a code's number is at home (an ISO 3166 region, shared by millions; '' for codes made
-- before): of how many codes sent to a country come back is watched (RELIABILITY 5). The last
-- ones that were really sent are found without a look at those that were not.
ALTER TABLE codes ADD COLUMN area TEXT NOT NULL DEFAULT '';
CREATE INDEX codes_sent ON codes (sent_at) WHERE real = 1;
CREATE INDEX codes_sent_by_area ON codes (area, sent_at) WHERE real = 1;
