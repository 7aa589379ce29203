//! Keys by their names, and which of them a text is typed with. Pure.

use std::mem;

/// What X11 calls a key: its meaning, not its place.
pub(super) type Keysym = u32;

/// Names of keys that have no character, as `xdotool` and browsers have them; small letters only,
/// without `_` and `-`.
const NAMES: &[(&str, Keysym)] = &[
    ("ctrl", 0xffe3),
    ("control", 0xffe3),
    ("shift", SHIFT),
    ("alt", 0xffe9),
    ("altgr", 0xfe03),
    ("super", 0xffeb),
    ("meta", 0xffeb),
    ("cmd", 0xffeb),
    ("win", 0xffeb),
    ("return", 0xff0d),
    ("enter", 0xff0d),
    ("tab", 0xff09),
    ("escape", 0xff1b),
    ("esc", 0xff1b),
    ("backspace", 0xff08),
    ("delete", 0xffff),
    ("del", 0xffff),
    ("insert", 0xff63),
    ("home", 0xff50),
    ("end", 0xff57),
    ("pageup", 0xff55),
    ("prior", 0xff55),
    ("pagedown", 0xff56),
    ("next", 0xff56),
    ("left", 0xff51),
    ("arrowleft", 0xff51),
    ("up", 0xff52),
    ("arrowup", 0xff52),
    ("right", 0xff53),
    ("arrowright", 0xff53),
    ("down", 0xff54),
    ("arrowdown", 0xff54),
    ("space", 0x20),
    ("plus", 0x2b),
    ("minus", 0x2d),
    ("comma", 0x2c),
    ("period", 0x2e),
    ("slash", 0x2f),
    ("capslock", 0xffe5),
    ("numlock", 0xff7f),
    ("print", 0xff61),
    ("printscreen", 0xff61),
    ("pause", 0xff13),
    ("menu", 0xff67),
];

pub(super) const SHIFT: Keysym = 0xffe1;

/// `F1`; the others follow.
const F1: Keysym = 0xffbe;

/// What a character beyond Latin-1 is added to.
const UNICODE: Keysym = 0x0100_0000;

/// The key of a character; `None` for those that nobody types.
pub(super) fn of_char(char: char) -> Option<Keysym> {
    match (char, u32::from(char)) {
        ('\n', _) => Some(0xff0d),
        ('\t', _) => Some(0xff09),
        (char, _) if char.is_control() => None,
        (_, latin @ (0x20..=0x7e | 0xa0..=0xff)) => Some(latin),
        (_, code) => Some(UNICODE + code),
    }
}

/// The keys of a chord such as `ctrl+shift+t`, in the order in which they are pressed.
pub(super) fn of_chord(chord: &str) -> Result<Vec<Keysym>, String> {
    let chord = chord.trim();
    // The key `+` itself is the last one: `ctrl++`.
    let (names, last) = match chord.strip_suffix('+') {
        Some(rest) if rest.is_empty() || rest.ends_with('+') => {
            (rest.trim_end_matches('+'), Some("+"))
        }
        _ => (chord, None),
    };
    let names = names.split('+').map(str::trim).filter(|name| !name.is_empty()).chain(last);
    let keys = names.map(of_name).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err("no key is named".into()) } else { Ok(keys) }
}

fn of_name(name: &str) -> Result<Keysym, String> {
    let mut chars = name.chars();
    if let (Some(char), None) = (chars.next(), chars.next()) {
        return of_char(char).ok_or_else(|| unknown(name));
    }
    let mut plain = name.to_lowercase();
    plain.retain(|char| !matches!(char, '_' | '-' | ' '));
    let sided = plain.strip_suffix('l').or(plain.strip_suffix('r'));
    let named = |name: &str| NAMES.iter().find(|(known, _)| *known == name).map(|(_, key)| *key);
    let number = || plain.strip_prefix('f')?.parse().ok().filter(|n| (1..=24).contains(n));
    named(&plain)
        .or_else(|| number().map(|n: Keysym| F1 + n - 1))
        // `Control_L` and its like.
        .or_else(|| sided.and_then(named).filter(|key| (0xffe1..=0xffee).contains(key)))
        .ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> String {
    format!(
        "there is no key {name:?}; there are single characters, ctrl, shift, alt, super, Return, \
         Tab, Escape, BackSpace, Delete, Insert, Home, End, Page_Up, Page_Down, Up, Down, Left, \
         Right, space, Print, Menu and F1 to F24, joined by +"
    )
}

/// What the keys of the keyboard mean: for each, what it is alone, with shift, and more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keymap {
    /// The code of the first key.
    pub(super) first: u8,
    /// Meanings of one key.
    pub(super) per_key: usize,
    pub(super) meanings: Vec<Keysym>,
}

/// A key that is pressed and let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) code: u8,
    pub(super) shift: bool,
}

/// Strokes, and what keys have to mean first that mean nothing so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) lend: Vec<(u8, Keysym)>,
    pub(super) strokes: Vec<Stroke>,
}

impl Batch {
    fn uses(&self, code: u8) -> bool {
        self.strokes.iter().any(|stroke| stroke.code == code)
    }
}

impl Keymap {
    fn keys(&self) -> impl Iterator<Item = (u8, &[Keysym])> {
        let keys = self.meanings.chunks_exact(self.per_key.max(1));
        (self.first..=u8::MAX).zip(keys)
    }

    /// How a key is pressed.
    pub(super) fn stroke(&self, key: Keysym) -> Option<Stroke> {
        let at = |column: usize| {
            let mut keys = self.keys();
            keys.find(|(_, meanings)| meanings.get(column) == Some(&key)).map(|(code, _)| code)
        };
        let plain = at(0).map(|code| Stroke { code, shift: false });
        plain.or_else(|| at(1).map(|code| Stroke { code, shift: true }))
    }

    /// Keys that mean nothing, then those that were lent to a character before. The last ones first:
    /// the others are more likely to be some real keyboard's.
    fn spare(&self) -> Vec<u8> {
        let with = |is: fn(&Keysym) -> bool| {
            let keys = self.keys().filter(move |(_, meanings)| meanings.iter().all(is));
            let mut codes: Vec<u8> = keys.map(|(code, _)| code).collect();
            codes.reverse();
            codes
        };
        [with(|key| *key == 0), with(|key| *key > UNICODE)].concat()
    }

    /// The key that may be lent next.
    pub(super) fn to_lend(&self) -> Option<u8> {
        self.spare().first().copied()
    }

    /// How a text is typed. In a batch a key means one thing: programs may look late what it means.
    pub(super) fn typed(&self, text: &str) -> Result<Vec<Batch>, String> {
        let spare = self.spare();
        let mut map = self.clone();
        let (mut batches, mut batch) = (vec![], Batch::default());
        for char in text.chars().filter(|char| *char != '\r') {
            let key = of_char(char).ok_or_else(|| format!("{char:?} cannot be typed"))?;
            let stroke = map.stroke(key).map_or_else(
                || {
                    let unused = |batch: &Batch| spare.iter().copied().find(|c| !batch.uses(*c));
                    let code = unused(&batch).or_else(|| {
                        batches.push(mem::take(&mut batch));
                        unused(&batch)
                    });
                    let code = code.ok_or("the keyboard has no key left to lend")?;
                    map.lend(code, key);
                    batch.lend.push((code, key));
                    Ok::<_, String>(Stroke { code, shift: false })
                },
                Ok,
            )?;
            batch.strokes.push(stroke);
        }
        batches.push(batch);
        Ok(batches)
    }

    fn lend(&mut self, code: u8, key: Keysym) {
        let start = usize::from(code - self.first) * self.per_key;
        self.meanings[start..start + self.per_key].fill(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Small letters and digits, capitals with shift, Return; and some keys to spare.
    fn map(spare: usize) -> Keymap {
        let plain = ('a'..='z').flat_map(|c| [c as u32, c.to_ascii_uppercase() as u32]);
        let more = [0xff0d, 0, 0x20, 0, 0xe9, 0xc9];
        let meanings = plain.chain(more).chain(vec![0; 2 * spare]).collect();
        Keymap { first: 8, per_key: 2, meanings }
    }

    #[test]
    fn chords_are_read_leniently() {
        for (chord, keys) in [
            ("Return", &[0xff0d][..]),
            ("enter", &[0xff0d]),
            ("ctrl+shift+t", &[0xffe3, SHIFT, 0x74]),
            ("Control_L+Page_Up", &[0xffe3, 0xff55]),
            ("alt + F4", &[0xffe9, 0xffc1]),
            ("ctrl++", &[0xffe3, 0x2b]),
            ("+", &[0x2b]),
            ("ctrl+plus", &[0xffe3, 0x2b]),
            ("Escape", &[0xff1b]),
            ("€", &[0x0100_20ac]),
            ("del", &[0xffff]),
        ] {
            assert_eq!(of_chord(chord).as_deref(), Ok(keys), "{chord}");
        }
        for wrong in ["", "ctrl+nothing", "f25", "Retur"] {
            assert!(of_chord(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_keyboard_lacks_is_lent() {
        let batches = map(2).typed("aB €é€\n").unwrap();
        assert_eq!(batches.len(), 1);
        let codes: Vec<_> = batches[0].strokes.iter().map(|s| (s.code, s.shift)).collect();
        let lent = 8 + 26 + 3 + 1;
        let expected = [
            (8, false),
            (9, true),
            (35, false),
            (lent, false),
            (36, false),
            (lent, false),
            (34, false),
        ];
        assert_eq!(codes, expected);
        assert_eq!(batches[0].lend, [(lent, 0x0100_20ac)]);
        assert_eq!(map(2).typed("日本語").unwrap().len(), 2, "two keys for three characters");
        assert!(map(0).typed("日").is_err() && map(1).typed("\u{1b}").is_err());
    }

    proptest! {
        /// Whoever looks at the end of a batch what its keys mean reads the text.
        #[test]
        fn every_stroke_means_its_character(text in "[a-zA-Z€日本語あいうえお🦀\\n ]{0,40}", spare in 1usize..6) {
            let mut map = map(spare);
            let mut read = vec![];
            for batch in map.clone().typed(&text).unwrap() {
                batch.lend.iter().for_each(|(code, key)| map.lend(*code, *key));
                for Stroke { code, shift } in batch.strokes {
                    let at = usize::from(code - map.first) * map.per_key + usize::from(shift);
                    read.push(map.meanings[at]);
                }
            }
            let meant: Vec<_> = text.chars().filter_map(of_char).collect();
            prop_assert_eq!(read, meant);
        }
    }
}
