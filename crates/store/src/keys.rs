//! Keys to the API: few, and all read at once.

use rusqlite::{Connection, params};
use types::ApiKey;

use crate::writer::Inner;
use crate::{StoreError, row};

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKey {
    /// What is known of it.
    pub key: ApiKey,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
}

impl Inner {
    /// Keeps a key as it is now.
    pub(crate) fn save_key(&mut self, kept: &KeptKey) -> Result<(), StoreError> {
        let KeptKey { key, hash } = kept;
        let text = row::to_json(&key.id, key)?;
        let sql = "INSERT INTO keys (id, hash, key) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (id) DO UPDATE SET key = ?3";
        self.execute("keep a key", sql, params![key.id, hash, text])
    }
}

/// Every key there ever was.
pub(crate) fn all(db: &Connection) -> Result<Vec<KeptKey>, StoreError> {
    let failed = StoreError::sqlite("read the keys");
    let mut statement = db.prepare("SELECT id, hash, key FROM keys").map_err(&failed)?;
    let rows = statement
        .query_map([], |found| {
            Ok((found.get::<_, String>(0)?, found.get::<_, [u8; 32]>(1)?, found.get(2)?))
        })
        .map_err(&failed)?;
    rows.map(|found| {
        let (id, hash, text): (_, _, String) = found.map_err(&failed)?;
        let key = serde_json::from_str(&text).map_err(row::damaged(&id, "a key"))?;
        Ok(KeptKey { key, hash })
    })
    .collect()
}
