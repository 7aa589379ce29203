//! What `Content-Disposition` says of a part of a form (RFC 7578, 4.2), as clients write it.

use percent_encoding::percent_decode_str;

/// How a part is introduced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) filename: Option<String>,
}

/// Reads a line of a part's head; none if it says something else.
pub(crate) fn disposition(line: &str) -> Option<Head> {
    let (name, value) = line.split_once(':')?;
    let form_data = || value.trim_start().to_ascii_lowercase().starts_with("form-data");
    if !name.eq_ignore_ascii_case("content-disposition") || !form_data() {
        return None;
    }
    // Browsers and curl escape quotes and line feeds this way, and nothing else.
    let decode = |text: String| {
        ["%22", "%0D", "%0A"].iter().fold(text, |text, escape| {
            text.replace(escape, &percent_decode_str(escape).decode_utf8_lossy())
        })
    };
    Some(Head {
        name: parameter(value, "name").map(decode)?,
        filename: parameter(value, "filename").map(decode),
    })
}

/// The parameter `wanted` of a header's value (`form-data; name="x"; filename=y`).
pub(crate) fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (text, after) = token(after.trim_start());
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after.split_once(';')?.1;
    }
}

/// A word, or what stands in quotes (in which `\` takes the next quote as it is), and the rest.
fn token(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, _) = text.split_once(';').unwrap_or((text, ""));
        return (word.trim().into(), &text[word.len()..]);
    };
    let mut token = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (token, &quoted[at + 1..]),
            '\\' => {
                token.push(chars.next_if(|(_, c)| "\\\"".contains(*c)).map_or('\\', |(_, c)| c))
            }
            c => token.push(c),
        }
    }
    (token, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_clients_write_them() {
        let head = |line: &str| disposition(line).map(|head| (head.name, head.filename));
        let named = |name: &str, file: &str| Some((name.to_owned(), Some(file.to_owned())));
        for (line, wanted) in [
            (r#"Content-Disposition: form-data; name="file"; filename="a b.txt""#, "a b.txt"),
            (r#"content-disposition:form-data;filename=x;name=file"#, "x"),
            (
                r#"Content-Disposition: form-data; name="file"; filename="a%22b\"\\c%41""#,
                "a\"b\"\\c%41",
            ),
            (r#"Content-Disposition: Form-Data ; name="file" ; filename="a;name=b""#, "a;name=b"),
            (r#"Content-Disposition: form-data; name="file"; filename="C:\x""#, "C:\\x"),
        ] {
            assert_eq!(head(line), named("file", wanted), "{line}");
        }
        for line in [
            "",
            "Content-Type: form-data; name=x",
            "Content-Disposition: form-data",
            "Content-Disposition: attachment; name=x",
        ] {
            assert_eq!(head(line), None, "{line}");
        }
    }
}
