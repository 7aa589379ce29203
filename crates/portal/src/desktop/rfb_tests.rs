use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// The first words of a viewer, and what passes of them.
const HELLO: &[u8] = b"RFB 003.008\n\x01\x00";
const HELLO_PASSED: &[u8] = b"RFB 003.008\n\x01\x01";

/// Feeds all of it, cut at these places.
fn feed(bytes: &[u8], cuts: &[Index]) -> (Vec<u8>, Result<(), Foul>) {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let (mut filter, mut out) = (Filter::default(), vec![]);
    for cut in cuts.windows(2) {
        if let Err(foul) = filter.feed(&bytes[cut[0]..cut[1]], &mut out) {
            return (out, Err(foul));
        }
        assert!(filter.held.len() < 4 + 4 * MAX_ENCODINGS, "{}", filter.held.len());
    }
    (out, Ok(()))
}

/// After the handshake.
fn passed(bytes: &[u8]) -> (Vec<u8>, Result<(), Foul>) {
    let (out, end) = feed(&[HELLO, bytes].concat(), &[]);
    (out[HELLO.len()..].to_vec(), end)
}

fn list(codes: &[i32]) -> Vec<u8> {
    let count = u16::try_from(codes.len()).unwrap().to_be_bytes();
    let codes = codes.iter().flat_map(|code| code.to_be_bytes());
    [2, 0, count[0], count[1]].into_iter().chain(codes).collect()
}

fn of_kind(kind: u8, length: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), length - 1).prop_map(move |rest| [&[kind][..], &rest].concat())
}

/// A message that passes as it is.
fn harmless() -> impl Strategy<Value = Vec<u8>> {
    let fence = vec(any::<u8>(), 0..=MAX_FENCE).prop_map(|payload| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[248, 0, 0, 0, 1, 2, 3, 4, length][..], &payload].concat()
    });
    let known = vec(-300..20, 0..40).prop_map(|codes: Vec<i32>| list(&codes));
    prop_oneof![of_kind(0, 20), of_kind(3, 10), of_kind(150, 10), fence, known]
}

/// A message that does something.
fn harmful() -> impl Strategy<Value = Vec<u8>> {
    let text = (vec(any::<u8>(), 0..2000), any::<bool>()).prop_map(|(text, extended)| {
        let length = i32::try_from(text.len()).unwrap();
        let length = if extended { -length } else { length };
        [&[6, 0, 0, 0][..], &length.to_be_bytes(), &text].concat()
    });
    let screens = vec(any::<[u8; 16]>(), 0..=255).prop_map(|screens| {
        let count = u8::try_from(screens.len()).unwrap();
        [&[251, 0, 4, 0, 3, 0, count, 0][..], &screens.concat()].concat()
    });
    let scanned = vec(any::<u8>(), 10).prop_map(|rest| [&[255, 0][..], &rest].concat());
    prop_oneof![of_kind(4, 8), of_kind(5, 6), of_kind(250, 4), text, screens, scanned]
}

proptest! {
    /// However it is cut, what is harmless passes in its order, and nothing else.
    #[test]
    fn only_what_is_harmless_passes(
        messages in vec(prop_oneof![
            harmless().prop_map(|message| (message, true)),
            harmful().prop_map(|message| (message, false)),
        ], 0..30),
        cuts in vec(any::<Index>(), 0..60),
    ) {
        let sent: Vec<u8> = messages.iter().flat_map(|(message, _)| message.clone()).collect();
        let right = messages.into_iter().filter(|(_, harmless)| *harmless);
        let right: Vec<u8> = right.flat_map(|(message, _)| message).collect();
        let (out, end) = feed(&[HELLO, &sent].concat(), &cuts);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(out, [HELLO_PASSED, &right].concat());
    }

    /// Whatever comes, where it is cut makes no difference, and no more comes out than went in.
    #[test]
    fn garbage_is_the_same_however_it_is_cut(
        greet in any::<bool>(),
        garbage in vec(prop_oneof![
            any::<u8>(), prop::sample::select(&[0, 2, 3, 4, 5, 6, 150, 248, 250, 251, 255][..]),
        ], 0..500),
        cuts in vec(any::<Index>(), 0..60),
    ) {
        let sent = if greet { [HELLO, &garbage].concat() } else { garbage };
        let whole = feed(&sent, &[]);
        prop_assert!(whole.0.len() <= sent.len());
        prop_assert_eq!(feed(&sent, &cuts), whole);
    }
}

#[test]
fn three_versions_are_spoken() {
    let hello = |bytes: &[u8]| feed(bytes, &[]);
    assert_eq!(hello(HELLO), (HELLO_PASSED.to_vec(), Ok(())));
    let oldest = b"RFB 003.003\n\x01\x04\0\0\0\0\0\0a\x03\0\0\0\0\0\0\0\0\0";
    let (out, end) = hello(oldest);
    assert_eq!((out.len(), end), (12 + 1 + 10, Ok(())));
    assert_eq!(hello(b"GET / HTTP/1").1, Err(Foul::Version));
    assert_eq!(hello(b"RFB 003.007\n\x02").1, Err(Foul::Security(2)));
}

#[test]
fn encodings_that_change_messages_are_taken_out() {
    let [mouse, clipboard] = CHANGING;
    assert_eq!((mouse, clipboard), (-316, -1_063_131_698));
    assert_eq!(passed(&list(&[7, mouse, -258, clipboard])), (list(&[7, -258]), Ok(())));
}

#[test]
fn what_cannot_be_measured_ends_it() {
    for kind in [1, 7, 100, 249, 252, 254] {
        assert_eq!(passed(&[kind, 0]).1, Err(Foul::Unknown(kind)), "{kind}");
    }
    assert_eq!(passed(&[255, 1]).1, Err(Foul::Unknown(255)));
    assert_eq!(passed(&[2, 0, 255, 255]).1, Err(Foul::TooLong(2)));
    assert_eq!(passed(&[248, 0, 0, 0, 0, 0, 0, 0, 65]).1, Err(Foul::TooLong(248)));
}

/// Its bytes are forgotten as they come.
#[test]
fn a_huge_clipboard_takes_no_room() {
    let (mut filter, mut out) = (Filter::default(), vec![]);
    filter.feed(HELLO, &mut out).unwrap();
    filter.feed(&[6, 0, 0, 0, 0x80, 0, 0, 0], &mut out).unwrap();
    filter.feed(&vec![4; 1 << 20], &mut out).unwrap();
    assert_eq!((out.as_slice(), filter.held.capacity()), (HELLO_PASSED, 0));
    assert_eq!(filter.skip, (1 << 31) - (1 << 20));
}
