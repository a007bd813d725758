-- What each key has spent, by day in days since 1970, and in all: that is day -1. It stays where rows are deleted. Money is
-- 10^-12 US dollars; what doesn't fit is the largest number there is.
CREATE TABLE spent (
  day           INTEGER NOT NULL,
  tenant        TEXT    NOT NULL,
  key_id        TEXT    NOT NULL,
  cost_pico_usd INTEGER NOT NULL,
  PRIMARY KEY (day, tenant, key_id)
) WITHOUT ROWID, STRICT;

-- What isn't in there yet: one row for each insert into events.
CREATE TABLE unfolded (
  number INTEGER PRIMARY KEY,
  costs  BLOB NOT NULL
) STRICT;

-- Rows from before this table was.
INSERT INTO spent
SELECT day, tenant, key_id,
       iif((high, low) > (9223372036854, 775807), 9223372036854775807, high * 1000000 + low)
FROM (
  SELECT day, tenant, key_id, high + low / 1000000 AS high, low % 1000000 AS low
  FROM (
    SELECT started / 86400000000000 AS day, tenant, key_id,
           sum(cost_pico_usd / 1000000) AS high, sum(cost_pico_usd % 1000000) AS low
    FROM events
    WHERE outcome <> 6 AND cost_pico_usd > 0
    GROUP BY 1, 2, 3
  )
);
INSERT INTO spent
SELECT -1, tenant, key_id,
       iif((high, low) > (9223372036854, 775807), 9223372036854775807, high * 1000000 + low)
FROM (
  SELECT tenant, key_id, high + low / 1000000 AS high, low % 1000000 AS low
  FROM (
    SELECT tenant, key_id, sum(cost_pico_usd / 1000000) AS high, sum(cost_pico_usd % 1000000) AS low
    FROM spent
    GROUP BY 1, 2
  )
);
