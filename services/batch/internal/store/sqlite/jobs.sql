-- Lines that go to a provider's batch API together.
CREATE TABLE jobs (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT    NOT NULL UNIQUE,
  batch       INTEGER NOT NULL,
  state       INTEGER NOT NULL DEFAULT 0, -- 0 forming, 1 submitting, 2 running, 3 done
  grouped     TEXT    NOT NULL,
  model       TEXT    NOT NULL,
  sensitivity INTEGER NOT NULL DEFAULT 0, -- headgate.llm.v1.Sensitivity
  lines       INTEGER NOT NULL DEFAULT 0,
  bytes       INTEGER NOT NULL DEFAULT 0,
  inputs      INTEGER NOT NULL DEFAULT 0,
  first       INTEGER NOT NULL DEFAULT 0,
  formed      INTEGER NOT NULL,
  tried       INTEGER NOT NULL DEFAULT 0,
  provider    TEXT    NOT NULL DEFAULT '',
  upstream    TEXT    NOT NULL DEFAULT '',
  credential  TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX jobs_batch ON jobs (batch);

-- The id of what is kept of a job's line is job << 20 | line. Bodies are apart, since they go first.
CREATE TABLE parked (
  id      INTEGER PRIMARY KEY,
  context BLOB NOT NULL
) STRICT;
CREATE TABLE bodies (
  id   INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

-- A line's state 3 is parked.
ALTER TABLE lines ADD COLUMN live INTEGER NOT NULL DEFAULT 0; -- whether no provider's batch API takes it
