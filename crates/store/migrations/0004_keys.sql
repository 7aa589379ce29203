-- Keys to the API. Of the key itself there is only a hash (SHA-256 of its random secret).
CREATE TABLE keys (
    id   TEXT PRIMARY KEY,
    hash BLOB NOT NULL,
    key  TEXT NOT NULL                          -- ApiKey
) STRICT;
