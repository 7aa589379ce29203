use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// What a message is signed with. `Debug` hides it, and it has no `Display`.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// A secret that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected whsec_ and 24 to 64 random bytes in base64: `echo whsec_$(openssl rand -base64 32)` makes one"
)]
pub struct BadSecret;

impl Secret {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none, or too short to be a secret.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(BadSecret)?;
        let bytes = STANDARD.decode(text).map_err(|_| BadSecret)?;
        let fits = (24..=64).contains(&bytes.len());
        fits.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))).ok_or(BadSecret)
    }

    /// The signature of a message that is sent at this second.
    pub(crate) fn sign(&self, id: &str, second: i64, body: &str) -> String {
        let signature = hmac::sign(&self.0, format!("{id}.{second}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(signature))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the convention's own libraries.
    #[test]
    fn a_signature_is_what_others_make_of_it() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let of = |bytes: usize| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
        for bytes in [24, 32, 64] {
            assert!(Secret::parse(&format!(" {}\n", of(bytes))).is_ok(), "{bytes}");
        }
        for bad in ["", "whsec_", "secret", &of(23), &of(65), &of(32)[1..], "whsec_ü"] {
            assert!(Secret::parse(bad).unwrap_err().to_string().contains("openssl rand"), "{bad}");
        }
    }
}
