//! The parts of a conversation, apart as dialects need them. Whether a model takes pictures at all
//! is not here but in `history`.

use types::Part;

/// A picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) base64: &'a str,
}

/// The text of the parts, and their pictures: for providers that take them apart only.
pub(crate) fn text_and_pictures(parts: &[Part]) -> (String, Vec<Picture<'_>>) {
    let (mut texts, mut pictures) = (vec![], vec![]);
    for part in parts {
        match part {
            Part::Text { text } => texts.push(text.as_str()),
            Part::Image { media_type, base64, .. } => pictures.push(Picture { media_type, base64 }),
        }
    }
    (texts.join("\n"), pictures)
}
