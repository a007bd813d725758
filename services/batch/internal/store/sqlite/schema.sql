-- Times are nanoseconds since 1970; 0 is none. JSON columns hold what is never asked for by itself.
CREATE TABLE files (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  id       TEXT    NOT NULL UNIQUE,
  tenant   TEXT    NOT NULL,
  key_id   TEXT    NOT NULL,
  filename TEXT    NOT NULL,
  format   INTEGER NOT NULL, -- headgate.batch.v1.FileFormat
  bytes    INTEGER NOT NULL,
  sha256   TEXT    NOT NULL,
  blob     TEXT    NOT NULL,
  created  INTEGER NOT NULL,
  expires  INTEGER NOT NULL
) STRICT;
CREATE INDEX files_tenant ON files (tenant, number);
CREATE INDEX files_expires ON files (expires) WHERE expires > 0;

-- Blobs that belong to nobody from a time on.
CREATE TABLE garbage (
  blob  TEXT    PRIMARY KEY,
  since INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE batches (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT    NOT NULL UNIQUE,
  tenant      TEXT    NOT NULL,
  dialect     INTEGER NOT NULL, -- headgate.llm.v1.Dialect
  state       INTEGER NOT NULL, -- headgate.batch.v1.BatchState
  source      TEXT    NOT NULL,
  inline      INTEGER NOT NULL, -- whether the source is the batch's own
  model       TEXT    NOT NULL DEFAULT '',
  output_file TEXT    NOT NULL DEFAULT '',
  error_file  TEXT    NOT NULL DEFAULT '',
  total       INTEGER NOT NULL DEFAULT 0,
  completed   INTEGER NOT NULL DEFAULT 0,
  failed      INTEGER NOT NULL DEFAULT 0,
  cancelled   INTEGER NOT NULL DEFAULT 0,
  expired     INTEGER NOT NULL DEFAULT 0,
  input       INTEGER NOT NULL DEFAULT 0,
  cached      INTEGER NOT NULL DEFAULT 0,
  written     INTEGER NOT NULL DEFAULT 0,
  output      INTEGER NOT NULL DEFAULT 0,
  reasoning   INTEGER NOT NULL DEFAULT 0,
  in_progress INTEGER NOT NULL DEFAULT 0,
  finalizing  INTEGER NOT NULL DEFAULT 0,
  ended       INTEGER NOT NULL DEFAULT 0,
  cancelling  INTEGER NOT NULL DEFAULT 0,
  problems    TEXT    NOT NULL DEFAULT '[]',
  particulars TEXT    NOT NULL,
  gone        INTEGER NOT NULL DEFAULT 0 -- whether it is forgotten, and its room not given back yet
) STRICT;
CREATE INDEX batches_tenant ON batches (tenant, number);
CREATE INDEX batches_open ON batches (number) WHERE ended = 0;
CREATE INDEX batches_ended ON batches (ended) WHERE ended > 0;

-- A line's and a result's id is number << 20 | line: those of one batch lie side by side, in order. Results are apart so
-- that looking for lines doesn't read them.
CREATE TABLE lines (
  id        INTEGER PRIMARY KEY,
  custom_id TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  size      INTEGER NOT NULL,
  state     INTEGER NOT NULL DEFAULT 0, -- 0 waits, 1 begun, 2 done
  due       INTEGER NOT NULL DEFAULT 0,
  tries     INTEGER NOT NULL DEFAULT 0,
  begun     INTEGER NOT NULL DEFAULT 0,
  outcome   INTEGER NOT NULL DEFAULT 0, -- headgate.batch.v1.LineOutcome
  status    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX lines_waiting ON lines (id >> 20, due, id) WHERE state = 0;
CREATE INDEX lines_begun ON lines (id) WHERE state = 1;

CREATE TABLE results (
  id   INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
