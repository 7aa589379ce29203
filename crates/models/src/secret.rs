use std::fmt;

/// A key. `Debug` hides it, and it has no `Display` nor `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it, without the white space around it that files and terminals add.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// For the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The text without the key, wherever it stands in it.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[key]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = Secret::new(" s3cret\n");
        assert_eq!(format!("{key:?}"), "[key]");
        assert_eq!(key.redact("bad key s3cret, s3cret!"), "bad key [key], [key]!");
        assert_eq!(Secret::new("").redact("text"), "text");
    }
}
