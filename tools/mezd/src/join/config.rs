//! The text of an `sshd_config`: where it includes others, and a marked block at its beginning. Lines that are not ours
//! stay byte for byte.

/// What stands around our lines.
const BEGIN: &[u8] = b"# BEGIN mezite (made by a join, taken out by its --remove)";
const END: &[u8] = b"# END mezite";

/// The patterns of the `Include` lines that hold for all connections, as they are written. What stands behind the
/// first `Match` holds for some only.
pub(super) fn global_includes(config: &[u8]) -> Vec<String> {
    let mut patterns = Vec::new();
    for line in config.split(|byte| *byte == b'\n') {
        let words = words(line);
        match words.split_first() {
            Some((keyword, _)) if keyword.eq_ignore_ascii_case("match") => break,
            Some((keyword, given)) if keyword.eq_ignore_ascii_case("include") => {
                patterns.extend(given.iter().cloned());
            }
            _ => {}
        }
    }
    patterns
}

/// The words of a line, as sshd reads them: blanks or one `=` behind the keyword, double quotes, `#` before all.
fn words(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let mut words = vec![keyword.to_owned()];
    let mut rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        if word.starts_with('#') {
            break;
        }
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

/// The text with a block of these lines before all others, where sshd takes the first value of a keyword and no `Match`
/// stands; in the place of the block that was there.
pub(super) fn with_block(text: &[u8], lines: &[String]) -> Vec<u8> {
    let rest = without_block(text);
    let end: &[u8] = if ends_with_carriage_returns(&rest) { b"\r\n" } else { b"\n" };
    let mut out = Vec::with_capacity(rest.len() + 512);
    let own = lines.iter().map(String::as_bytes);
    for line in [BEGIN].into_iter().chain(own).chain([END]) {
        out.extend_from_slice(line);
        out.extend_from_slice(end);
    }
    out.extend_from_slice(&rest);
    out
}

/// The text without our block.
pub(super) fn without_block(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.trim_ascii_end();
        inside |= bare == BEGIN;
        if !inside {
            kept.extend_from_slice(line);
        }
        inside &= bare != END;
    }
    // A block without an end is not one that we have written: nothing is taken out.
    if inside { text.to_vec() } else { kept }
}

/// Whether our block stands in it.
pub(super) fn has_block(text: &[u8]) -> bool {
    without_block(text).len() != text.len()
}

fn ends_with_carriage_returns(text: &[u8]) -> bool {
    text.split_inclusive(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<String> {
        vec!["TrustedUserCAKeys /etc/ssh/mezite_ca.pub".to_owned()]
    }

    #[test]
    fn includes_count_until_the_first_match() {
        let includes = |text: &str| global_includes(text.as_bytes());
        assert_eq!(
            includes("# x\nInclude /etc/ssh/sshd_config.d/*.conf\nPort 22\n"),
            ["/etc/ssh/sshd_config.d/*.conf"]
        );
        assert_eq!(includes("  include\t\"/a b/*.conf\" /c # d\r\n"), ["/a b/*.conf", "/c"]);
        assert_eq!(includes("Include=/a/*.conf"), ["/a/*.conf"]);
        assert_eq!(includes("INCLUDE = /a/*.conf"), ["/a/*.conf"]);
        assert!(includes("Match User a\nInclude /a/*.conf\n").is_empty());
        assert!(includes("match=all\nInclude /a/*.conf\n").is_empty());
        assert!(includes("#Include /a/*.conf\nPort 22\nIncluded /b\n").is_empty());
        assert!(includes("").is_empty());
    }

    #[test]
    fn a_block_comes_and_goes_without_a_trace() {
        for text in [
            "",
            "\n",
            "Port 22",
            "Port 22\n",
            "Port 22\r\nUsePAM yes\r\n",
            "Port 22\nMatch User a\n  X11Forwarding no\n",
            "Port 22\nMatch all",
            "# caf\u{e9}\n\n\n",
        ] {
            let with = with_block(text.as_bytes(), &lines());
            assert!(has_block(&with) && !has_block(text.as_bytes()), "{text:?}");
            assert_eq!(without_block(&with), text.as_bytes(), "{text:?}");
            assert_eq!(with_block(&with, &lines()), with, "{text:?}");
            assert!(with.ends_with(text.as_bytes()), "{text:?}");
        }
        let odd = b"\xff\xfe\nPort 22\n".to_vec();
        assert_eq!(without_block(&with_block(&odd, &lines())), odd);
    }

    #[test]
    fn the_block_stands_before_any_match_and_has_the_line_ends_of_the_file() {
        let with = with_block(b"Match User a\r\n  ForceCommand x\r\n", &lines());
        let text = String::from_utf8(with).unwrap();
        assert!(text.lines().nth(1).unwrap().starts_with("TrustedUserCAKeys"));
        assert!(text.split_inclusive('\n').all(|line| line.ends_with("\r\n")), "{text:?}");
    }

    #[test]
    fn a_block_that_somebody_has_cut_is_left_alone() {
        let cut = [BEGIN, b"\nTrustedUserCAKeys /x\nPort 22\n"].concat();
        assert_eq!(without_block(&cut), cut);
    }
}
