-- What is reserved of money for lines that nobody will finish. It names no row of other tables, as it may outlive them.
CREATE TABLE holds (
  number  INTEGER PRIMARY KEY AUTOINCREMENT,
  batch   TEXT    NOT NULL,
  job     TEXT    NOT NULL,
  key_id  TEXT    NOT NULL,
  tenant  TEXT    NOT NULL,
  line    INTEGER NOT NULL,
  context BLOB    NOT NULL,
  since   INTEGER NOT NULL
) STRICT;

-- Few accounts have a budget: of the others' lines nothing is in this index, and nothing is looked at.
ALTER TABLE parked ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0; -- whether money is reserved for the line
CREATE INDEX parked_reserved ON parked (id) WHERE reserved = 1;
