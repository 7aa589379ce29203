use crate::ImageError;

/// A name with its tag. It is a file's name too, with `+` in the place of `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

/// As long as a file's name may be.
const MOST: usize = 200;

impl Name {
    pub(crate) fn parse(text: &str) -> Result<Self, ImageError> {
        let bad = || ImageError::Name(text.chars().take(MOST).collect());
        let known = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
        let parts_are_named = text.split(['/', ':']).all(|part| part.starts_with(is_first));
        let last = text.rsplit('/').next().unwrap_or_default();
        if text.len() > MOST || !text.chars().all(known) || !parts_are_named {
            return Err(bad());
        }
        match last.split(':').count() {
            1 => Ok(Self(format!("{text}:latest"))),
            2 => Ok(Self(text.into())),
            _ => Err(bad()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_file(&self) -> String {
        self.0.replace('/', "+")
    }

    pub(crate) fn from_file(file: &str) -> Option<Self> {
        Self::parse(&file.replace('+', "/")).ok()
    }
}

/// No part begins with a dot: it could be hidden, or lead up.
fn is_first(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_gets_its_tag() {
        for (text, name) in [
            ("a", "a:latest"),
            ("a:1", "a:1"),
            ("docker.io/library/a", "docker.io/library/a:latest"),
            ("host:5000/a", "host:5000/a:latest"),
            ("host:5000/a:b", "host:5000/a:b"),
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), name);
        }
        for bad in ["", ".", "a/../b", "/a", "a/", "a:", ":a", "a:b:c", "a b", "ä", "a+b", ".trees"]
        {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_file(text in "[a-z0-9._/:+ ]{0,20}") {
            if let Ok(name) = Name::parse(&text) {
                let file = name.to_file();
                prop_assert!(!file.contains('/') && !file.starts_with('.'));
                prop_assert_eq!(Name::from_file(&file), Some(name));
            }
        }
    }
}
