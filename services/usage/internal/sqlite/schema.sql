-- One row for each attempt. Times are nanoseconds since 1970, money is 10^-12 US dollars; counts are NULL where there was
-- none, the cost where the price isn't known.
CREATE TABLE events (
  started       INTEGER NOT NULL,
  id            TEXT    NOT NULL,
  request_id    TEXT    NOT NULL,
  tenant        TEXT    NOT NULL,
  key_id        TEXT    NOT NULL,
  model         TEXT    NOT NULL,
  provider      TEXT    NOT NULL,
  outcome       INTEGER NOT NULL, -- headgate.usage.v1.Outcome
  input         INTEGER,          -- cached and written included
  cached        INTEGER,
  written       INTEGER,
  output        INTEGER,          -- reasoning included
  reasoning     INTEGER,
  estimated     INTEGER NOT NULL,
  cost_pico_usd INTEGER,
  tags          TEXT,             -- a JSON object
  rest          BLOB    NOT NULL, -- the other fields of headgate.usage.v1.Event
  PRIMARY KEY (started, id)
) WITHOUT ROWID, STRICT;

-- For people.
CREATE VIEW usage AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', started / 1000000000.0, 'unixepoch') AS time,
       tenant, key_id, model, provider, outcome, input, cached, written, output, reasoning, estimated,
       cost_pico_usd / 1e12 AS cost_usd, tags, request_id
FROM events;
