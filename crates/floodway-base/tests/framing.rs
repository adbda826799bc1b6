//! Every framing under every split, its limits, and encode-then-decode.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use floodway_base::framing::{
    ByteOrder, Delimited, Fixed, InvalidFraming, LengthPrefixed, Lines, Raw,
};
use floodway_base::limits::MAX_INPUT_BYTES;
use floodway_base::{Codec, EncodeError, FrameTooLong, Step};
use floodway_testkit::strategies::repetitive;
use floodway_testkit::{check_every_split, config};
use proptest::prelude::*;

const BIG: ByteOrder = ByteOrder::Big;
const LITTLE: ByteOrder = ByteOrder::Little;

fn frames(codec: &dyn Codec, input: &[u8]) -> Vec<Vec<u8>> {
    let outcome = check_every_split(codec, input);
    assert!(!outcome.has_failed, "{codec:?} refused {input:?}");
    outcome.frames
}

fn encode(codec: &dyn Codec, payload: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let envelope = codec.envelope(payload)?;
    Ok([envelope.prefix(), payload, envelope.suffix()].concat())
}

/// What one look at a fresh connection gives.
fn first_step(codec: &dyn Codec, input: &[u8]) -> Result<Step, FrameTooLong> {
    codec.decode(&mut 0, input)
}

#[test]
fn raw_yields_what_arrived() {
    assert_eq!(frames(&Raw, b"anything\r\n"), [b"anything\r\n"]);
    assert_eq!(first_step(&Raw, b""), Ok(Step::More { needed: 1 }));
}

#[test]
fn lines_end_at_lf_or_crlf_and_a_bare_cr_is_content() {
    let lines = Lines::new(8).unwrap();
    assert_eq!(
        frames(&lines, b"a\nb\r\n\n\r\nc\rd\nrest"),
        [&b"a"[..], b"b", b"", b"", b"c\rd"]
    );
    assert_eq!(frames(&lines, b"\r\r\n\n"), [&b"\r"[..], b""]);
}

#[test]
fn a_line_of_exactly_the_limit_passes_with_either_ending() {
    let lines = Lines::new(3).unwrap();
    assert_eq!(
        frames(&lines, b"abc\nabc\r\nab\r\n"),
        [&b"abc"[..], b"abc", b"ab"]
    );
    assert_eq!(frames(&lines, b"ab\r\r\n"), [b"ab\r"]);
}

#[test]
fn a_line_fails_as_soon_as_no_ending_can_fit() {
    let lines = Lines::new(3).unwrap();
    assert_eq!(first_step(&lines, b"abc\r"), Ok(Step::More { needed: 5 }));
    assert_eq!(
        first_step(&lines, b"abcd"),
        Err(FrameTooLong { size: 4, limit: 3 })
    );
    assert!(first_step(&lines, b"abc\rx").is_err());
    for input in [&b"ok\nabcd"[..], b"abcd\n", b"abc\rd\n", b"abcd\r\n"] {
        assert!(check_every_split(&lines, input).has_failed, "{input:?}");
    }
}

#[test]
fn a_line_that_would_be_read_as_two_or_as_shorter_is_not_sent() {
    let lines = Lines::new(8).unwrap();
    assert_eq!(
        encode(&lines, b"a\nb"),
        Err(EncodeError::ContainsDelimiter { at: 1 })
    );
    assert_eq!(
        encode(&lines, b"ab\r"),
        Err(EncodeError::ContainsDelimiter { at: 2 })
    );
    assert_eq!(encode(&lines, b"a\rb").unwrap(), b"a\rb\n");
    assert_eq!(
        encode(&lines, b"123456789"),
        Err(EncodeError::TooLong { size: 9, limit: 8 })
    );
}

#[test]
fn a_delimiter_ends_a_frame_where_it_occurs_first() {
    let codec = Delimited::new(b"aab", 8).unwrap();
    assert_eq!(frames(&codec, b"aaabxaabaab"), [&b"a"[..], b"x", b""]);
    assert_eq!(
        frames(&Delimited::new(b"aa", 8).unwrap(), b"aaaaa"),
        [b"", b""]
    );
}

#[test]
fn a_delimited_frame_fails_as_soon_as_no_delimiter_can_begin_within_the_limit() {
    let codec = Delimited::new(b"--", 3).unwrap();
    assert_eq!(frames(&codec, b"abc--"), [b"abc"]);
    assert_eq!(first_step(&codec, b"abc-"), Ok(Step::More { needed: 5 }));
    assert_eq!(
        first_step(&codec, b"abcd"),
        Err(FrameTooLong { size: 4, limit: 3 })
    );
    assert!(check_every_split(&codec, b"abcd--").has_failed);
    assert!(check_every_split(&codec, b"abc-d--").has_failed);
}

#[test]
fn a_payload_whose_end_begins_the_delimiter_is_not_sent() {
    let codec = Delimited::new(b"aa", 8).unwrap();
    assert_eq!(
        encode(&codec, b"a"),
        Err(EncodeError::ContainsDelimiter { at: 0 })
    );
    assert_eq!(
        encode(&codec, b"baab"),
        Err(EncodeError::ContainsDelimiter { at: 1 })
    );
    assert_eq!(encode(&codec, b"ab").unwrap(), b"abaa");
    // Its first candidate (byte 0) is none, its second (byte 2) is.
    let codec = Delimited::new(b"abab", 8).unwrap();
    assert_eq!(
        encode(&codec, b"ab"),
        Err(EncodeError::ContainsDelimiter { at: 0 })
    );
    assert_eq!(encode(&codec, b"aba").unwrap(), b"abaabab");
}

#[test]
fn fixed_frames_have_one_size() {
    let codec = Fixed::new(3).unwrap();
    assert_eq!(frames(&codec, b"abcdefgh"), [b"abc", b"def"]);
    assert_eq!(
        encode(&codec, b"ab"),
        Err(EncodeError::WrongSize {
            size: 2,
            expected: 3
        })
    );
}

#[test]
fn a_length_comes_in_either_byte_order_and_may_count_itself() {
    let codec = LengthPrefixed::new(2, BIG, 100, false).unwrap();
    assert_eq!(
        frames(&codec, b"\x00\x03abc\x00\x00\x00\x01"),
        [&b"abc"[..], b""]
    );
    let codec = LengthPrefixed::new(3, LITTLE, 100, true).unwrap();
    assert_eq!(
        frames(&codec, b"\x05\x00\x00ab\x03\x00\x00"),
        [&b"ab"[..], b""]
    );
}

#[test]
fn a_length_above_the_limit_fails_before_its_bytes_arrive() {
    let codec = LengthPrefixed::new(4, BIG, 5, false).unwrap();
    assert_eq!(
        first_step(&codec, &[0, 0, 0, 6]),
        Err(FrameTooLong { size: 6, limit: 5 })
    );
    assert_eq!(
        first_step(&codec, &[0, 0, 0, 5]),
        Ok(Step::More { needed: 9 })
    );
    let codec = LengthPrefixed::new(8, BIG, MAX_INPUT_BYTES, true).unwrap();
    assert!(check_every_split(&codec, &[255; 9]).has_failed);
}

#[test]
fn a_length_smaller_than_the_header_it_includes_fails() {
    let codec = LengthPrefixed::new(4, LITTLE, 100, true).unwrap();
    let error = first_step(&codec, &[3, 0, 0, 0]).unwrap_err();
    assert!(
        error.to_string().contains("less than the header"),
        "{error}"
    );
    assert!(check_every_split(&codec, &[0, 0, 0, 0, 1]).has_failed);
}

#[test]
fn a_limit_the_length_field_cannot_express_is_lowered() {
    assert_eq!(
        LengthPrefixed::new(1, BIG, 1_000, false)
            .unwrap()
            .max_frame(),
        Some(255)
    );
    let codec = LengthPrefixed::new(1, BIG, 1_000, true).unwrap();
    assert_eq!(codec.max_frame(), Some(254));
    assert_eq!(
        frames(&codec, &encode(&codec, &[7; 254]).unwrap()),
        [[7; 254]]
    );
    assert_eq!(
        encode(&codec, &[7; 255]),
        Err(EncodeError::TooLong {
            size: 255,
            limit: 254
        })
    );
}

#[test]
fn constructors_refuse_what_cannot_be_decoded() {
    let too_many = MAX_INPUT_BYTES + 1;
    for value in [0, too_many] {
        let refused = Some(InvalidFraming::MaxBytes { value });
        assert_eq!(Lines::new(value).err(), refused);
        assert_eq!(Fixed::new(value).err(), refused);
        assert_eq!(Delimited::new(b"x", value).err(), refused);
        assert_eq!(LengthPrefixed::new(4, BIG, value, false).err(), refused);
    }
    assert_eq!(
        Delimited::new(b"", 1).err(),
        Some(InvalidFraming::Delimiter { length: 0 })
    );
    for value in [0, 9] {
        let refused = Some(InvalidFraming::PrefixSize { value });
        assert_eq!(LengthPrefixed::new(value, BIG, 1, false).err(), refused);
    }
}

#[test]
fn searching_goes_on_where_it_ended() {
    let lines = Lines::new(100).unwrap();
    let mut scanned = 0;
    lines.decode(&mut scanned, b"no end").unwrap();
    assert_eq!(scanned, 6);
    // A line end in front of `scanned` is not looked for again: what was searched was searched.
    assert_eq!(
        lines.decode(&mut scanned, b"\n-----x"),
        Ok(Step::More { needed: 8 })
    );
}

#[test]
fn errors_name_value_limit_and_remedy() {
    let text = FrameTooLong {
        size: 70_000,
        limit: 65_536,
    }
    .to_string();
    assert_eq!(
        text,
        "a frame of at least 70000 bytes arrived and the framing allows 65536; raise the framing's \
         max_bytes (of Buffered: Limits.max_input), or check that the peer speaks this framing"
    );
    let text = EncodeError::ContainsDelimiter { at: 3 }.to_string();
    assert!(
        text.contains("at byte 3") && text.contains("escape it"),
        "{text}"
    );
}

/// All framings that a short limit makes interesting.
fn any_framing() -> impl Strategy<Value = Arc<dyn Codec>> {
    let delimiter = repetitive(4).prop_filter("not empty", |bytes| !bytes.is_empty());
    prop_oneof![
        (1_usize..12).prop_map(|max| Arc::new(Lines::new(max).unwrap()) as Arc<dyn Codec>),
        (1_usize..6).prop_map(|size| Arc::new(Fixed::new(size).unwrap()) as Arc<dyn Codec>),
        (delimiter, 1_usize..12)
            .prop_map(|(end, max)| Arc::new(Delimited::new(&end, max).unwrap()) as Arc<dyn Codec>),
        (1_usize..=8, any::<bool>(), 1_usize..300, any::<bool>()).prop_map(
            |(size, big, max, includes_header)| {
                let order = if big { BIG } else { LITTLE };
                let codec = LengthPrefixed::new(size, order, max, includes_header);
                Arc::new(codec.unwrap()) as Arc<dyn Codec>
            }
        ),
        Just(Arc::new(Raw) as Arc<dyn Codec>),
    ]
}

/// Text with line ends, and small numbers that are plausible lengths.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![repetitive(30), prop::collection::vec(0_u8..4, 0..30)]
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn no_framing_depends_on_the_cut(codec in any_framing(), input in any_input()) {
        check_every_split(&*codec, &input);
    }

    #[test]
    fn what_was_encoded_is_decoded(codec in any_framing(), payload in repetitive(14)) {
        if let Ok(encoded) = encode(&*codec, &payload) {
            let outcome = check_every_split(&*codec, &encoded);
            prop_assert!(!outcome.has_failed);
            prop_assert_eq!(outcome.frames, [payload]);
            prop_assert_eq!(outcome.rest, b"");
        }
    }

    #[test]
    fn a_refused_payload_would_not_have_been_decoded(
        max in 1_usize..12,
        end in repetitive(4).prop_filter("not empty", |bytes| !bytes.is_empty()),
        payload in repetitive(14),
    ) {
        let codec = Delimited::new(&end, max).unwrap();
        if encode(&codec, &payload).is_err() {
            let outcome = check_every_split(&codec, &[&payload[..], &end].concat());
            prop_assert!(outcome.has_failed || outcome.frames != [payload]);
        }
    }
}
