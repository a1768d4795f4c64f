//! What the sanitiser lets through, and that nothing else ever is.

use mezite_recording::Sanitiser;
use proptest::prelude::*;

/// The output of a sanitiser that is given these pieces.
fn clean(pieces: &[&[u8]]) -> String {
    let (mut sanitiser, mut out) = (Sanitiser::new(), String::new());
    for piece in pieces {
        sanitiser.push(piece, &mut out);
    }
    sanitiser.finish(&mut out);
    out
}

#[test]
fn hostile_037_strings_queries_and_modes_are_taken_out() {
    let taken_out: [&[u8]; 49] = [
        b"\x1b]52;c;cm0gLXJmIH4=\x07",
        b"\x1b]52;c;?\x1b\\",
        b"\x1b]0;title\x07",
        b"\x1b]8;;file:///etc/passwd\x1b\\",
        b"\x1b]4;1;?\x07",
        b"\x1b]0;\tby a tab\x07",
        b"\x1b]0;ended by C1\xc2\x9c",
        b"\x1bP$qm\x1b\\",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_Gi=1,a=q\x1b\\",
        b"\x1b^private\x1b\\",
        b"\x1bXstart of string\x1b\\",
        b"\x1bktitle\x1b\\",
        b"\x1b[6n",
        b"\x1b[5n",
        b"\x1b[?6n",
        b"\x1b[?996n",
        b"\x1b[c",
        b"\x1b[0c",
        b"\x1b[>c",
        b"\x1b[=c",
        b"\x1b[>0q",
        b"\x1b[x",
        b"\x1b[?25$p",
        b"\x1b[1;1;1;1;1;1*y",
        b"\x1b[?1;1;0S",
        b"\x1b[14t",
        b"\x1b[21t",
        b"\x1b[8;9999;9999t",
        b"\x1b[22;0t",
        b"\x1b[?1000h",
        b"\x1b[?1003;1006h",
        b"\x1b[?25;1000h",
        b"\x1b[?2004h",
        b"\x1b[?1004h",
        b"\x1b[?1h\x1b=",
        b"\x1b[>4;2m",
        b"\x1b[>1u",
        b"\x1b[5i",
        b"\x1b[?5i",
        b"\x1b[3J",
        b"\x1b[1;2;3;4;5T",
        b"\x1b[1000000b",
        b"\x1bZ",
        b"\x05",
        b"\x07",
        b"\x1b[?u",
        b"\x1bH\x1b[3g",
        b"\x1b[99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999C",
    ];
    for sequence in taken_out {
        assert_eq!(clean(&[b"a", sequence, b"b"]), "ab", "{:?}", String::from_utf8_lossy(sequence));
        // Cut at every place too.
        for cut in 0..sequence.len() {
            let (front, back) = sequence.split_at(cut);
            assert_eq!(
                clean(&[b"a", front, back, b"b"]),
                "ab",
                "{:?} at {cut}",
                String::from_utf8_lossy(sequence)
            );
        }
    }
}

#[test]
fn hostile_037_colours_and_cursor_movement_are_kept() {
    let kept: [&str; 30] = [
        "\x1b[m",
        "\x1b[0;1;38;5;196m",
        "\x1b[38:2::255:0:0m",
        "\x1b[4:3m",
        "\x1b[H",
        "\x1b[24;80H",
        "\x1b[2J",
        "\x1b[J",
        "\x1b[K",
        "\x1b[10A",
        "\x1b[C",
        "\x1b[3P",
        "\x1b[2@",
        "\x1b[2;20r",
        "\x1b[4h\x1b[4l",
        "\x1b[?25l\x1b[?25h",
        "\x1b[?12;25h",
        "\x1b[?1049h\x1b[?1049l",
        "\x1b[?7l",
        "\x1b[2S\x1b[T",
        "\x1b7\x1b8",
        "\x1bM",
        "\x1b(0lqqk\x1b(B",
        "\x1b)0\x0e\x0f",
        "\x1b[s\x1b[u",
        "\x1b[!p",
        "\x1b#8",
        "\r\n\t\x08",
        "Grüße, 世界 👋",
        "\x1b[9999b",
    ];
    for sequence in kept {
        assert_eq!(clean(&[sequence.as_bytes()]), sequence);
    }
}

#[test]
fn hostile_037_eight_bit_controls_are_shown_and_not_obeyed() {
    let raw: &[u8] = b"\x9b6n\x9d0;title\x9c\x90q\x9c";
    assert_eq!(clean(&[raw]), "\u{fffd}6n\u{fffd}0;title\u{fffd}\u{fffd}q\u{fffd}");
    let encoded = "\u{9b}6n\u{9d}0;title\u{9c}\u{85}";
    assert_eq!(clean(&[encoded.as_bytes()]), "\u{fffd}6n\u{fffd}0;title\u{fffd}\u{fffd}");
}

#[test]
fn hostile_037_a_string_left_open_hides_nothing_for_long() {
    for open in ["\x1b]0;", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bk"] {
        // Up to the end of the line,
        assert_eq!(clean(&[open.as_bytes(), b"hidden\r\nrm -rf /\r\n"]), "\r\nrm -rf /\r\n");
        // or for 4096 characters.
        let long = "x".repeat(10_000);
        assert_eq!(
            clean(&[open.as_bytes(), long.as_bytes()]).len(),
            10_000 - 4096 - 1 + open.len() - 2,
            "{open:?}"
        );
        // What is begun inside begins anew.
        assert_eq!(clean(&[open.as_bytes(), b"hidden\x1b[31mred"]), "\x1b[31mred");
    }
    // A sequence that is too long to be one shows nothing either.
    let long = format!("\x1b[{}m", "1;".repeat(100));
    assert_eq!(clean(&[b"a", long.as_bytes(), b"b"]), "ab");
    assert_eq!(clean(&[b"\x1b[31", b"\r\nred"]), "\r\nred");
    assert_eq!(clean(&[b"text\x1b[12;"]), "text");
    assert_eq!(clean(&[b"text\x1b"]), "text");
    assert_eq!(clean(&[b"text\xf0\x9f"]), "text\u{fffd}");
}

#[test]
fn a_full_reset_keeps_the_scrollback() {
    assert_eq!(clean(&[b"\x1bc"]), "\x1b[!p\x1b[H\x1b[2J");
}

/// Reads one sequence after `ESC` as written in the list of what may pass; how many characters it has.
fn listed(rest: &str) -> Option<usize> {
    let mut characters = rest.chars();
    match characters.next()? {
        '7' | '8' | 'D' | 'E' | 'M' => Some(1),
        '(' | ')' | '*' | '+' => matches!(characters.next()?, '0' | 'A' | 'B').then_some(2),
        '#' => matches!(characters.next()?, '3'..='6' | '8').then_some(2),
        '[' => {
            let inside = characters.as_str();
            let end = inside.find(|last: char| ('@'..='~').contains(&last))?;
            let last = inside[end..].chars().next()?;
            let numbers = |text: &str| {
                text.split([';', ':']).all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            };
            let mode = |mode: &str| matches!(mode, "5" | "7" | "12" | "25" | "47" | "1047" | "1048" | "1049");
            let fine = match (&inside[..end], last) {
                ("!", 'p') => true,
                (modes, 'h' | 'l') if modes.starts_with('?') => {
                    modes[1..].split(';').all(|number| mode(number.trim_start_matches('0')))
                }
                (modes, 'h' | 'l') => modes.split(';').all(|number| number.trim_start_matches('0') == "4"),
                (inside, last) => numbers(inside) && "@ABCDEFGHIJKLMPSTXZ`abdefrsum".contains(last),
            };
            fine.then_some(1 + end + 1)
        }
        _ => None,
    }
}

/// What is in a sanitiser's output that must not be.
fn foreign(output: &str) -> Option<String> {
    let mut rest = output;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\x1b' => match listed(rest) {
                Some(length) => rest = &rest[length..],
                None => return Some(format!("ESC {:?}", rest.chars().take(20).collect::<String>())),
            },
            '\x08'..='\x0f' => {}
            _ if character.is_control() => return Some(format!("{character:?}")),
            _ => {}
        }
    }
    None
}

/// Output made of what hostile output is made of.
fn output() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let fragments: [&[u8]; 36] = [
        b"\x1b",
        b"\x1b",
        b"\x1b[",
        b"\x1b[?",
        b"\x1b]",
        b"\x1bP",
        b"\x1b_",
        b"\x1bX",
        b"\x1b^",
        b"\x1bk",
        b"\x1b\\",
        b"\x07",
        b"\x18",
        b"\x1a",
        b"\x9b",
        b"\x9d",
        b"\x90",
        b"\x9c",
        b"\xc2",
        b"\xc2\x9b",
        b"\xc2\x9c",
        b"\xc2\x9d",
        b"\xe2\x82",
        b"6n",
        b"c",
        b"1000h",
        b"1049h",
        b"25l",
        b"4h",
        b"31m",
        b";",
        b":",
        b"(0",
        b"$p",
        b"!p",
        b"\r\n",
    ];
    let piece = prop_oneof![
        6 => prop::sample::select(fragments.to_vec()).prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(0x20..0x7f_u8, 0..4),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hostile_037_nothing_passes_that_is_not_on_the_list(pieces in output()) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let out = clean(&pieces);
        prop_assert_eq!(foreign(&out), None, "{:?}", out);
        // However it is cut.
        prop_assert_eq!(&clean(&[&pieces.concat()]), &out);
        let whole = pieces.concat();
        prop_assert_eq!(&clean(&whole.chunks(1).collect::<Vec<_>>()), &out);
        // What is clean stays as it is.
        prop_assert_eq!(&clean(&[out.as_bytes()]), &out);
    }
}

#[test]
fn the_check_of_the_property_finds_what_it_must() {
    for hostile in [
        "\x1b]0;x\x07",
        "\x1bP",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[?1000h",
        "\u{9b}6n",
        "\x07",
        "\x1b",
        "\x1b[>1m",
        "\0",
    ] {
        assert!(foreign(hostile).is_some(), "{hostile:?}");
    }
}
