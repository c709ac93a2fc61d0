//! Checks whether text is JSON (RFC 8259), byte by byte and in constant memory.
//!
//! A parser keeps strings and the path of open brackets, which can be as long as the text. This check builds no value,
//! so a state and one bit per open bracket are enough.

/// Maximum nesting of arrays and objects, the same as that of `serde_json`.
const MAX_DEPTH: u32 = 127;

/// State of the scanner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json {
    at: At,
    /// One bit per open bracket, the innermost in the lowest bit; 1 means an object.
    open: u128,
    depth: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a value.
    Value,
    /// After `[`.
    FirstItem,
    /// After `{`.
    FirstKey,
    /// After a comma in an object.
    Key,
    /// After a key.
    Colon,
    /// After a value.
    Behind,
    /// Inside a string, which may be a key.
    Text {
        is_key: bool,
    },
    /// After a backslash.
    Escape {
        is_key: bool,
    },
    /// Before this many hexadecimal digits.
    Hex {
        is_key: bool,
        left: u8,
    },
    /// Inside `true`, `false` or `null`, before these letters.
    Word(&'static [u8]),
    Number(Number),
}

/// The part of a number that was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Some(Self::ExponentDigits),
            _ => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::ExponentDigits)
    }
}

impl Json {
    pub(crate) fn new() -> Self {
        Self { at: At::Value, open: 0, depth: 0 }
    }

    /// Scans the next bytes; `None` when the text is not JSON.
    pub(crate) fn push(mut self, mut bytes: &[u8]) -> Option<Self> {
        while let Some((byte, rest)) = bytes.split_first() {
            if let At::Text { .. } = self.at {
                let plain = bytes.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
                if plain > 0 {
                    bytes = &bytes[plain..];
                    continue;
                }
            }
            self = self.step(*byte)?;
            bytes = rest;
        }
        Some(self)
    }

    /// Returns whether the text may end here.
    pub(crate) fn may_end(self) -> bool {
        self.depth == 0
            && match self.at {
                At::Behind => true,
                At::Number(number) => number.may_end(),
                _ => false,
            }
    }

    fn step(self, byte: u8) -> Option<Self> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match self.at {
            At::Value | At::FirstItem | At::FirstKey | At::Key | At::Colon | At::Behind if is_space => Some(self),
            At::FirstItem if byte == b']' => self.close(false),
            At::FirstKey if byte == b'}' => self.close(true),
            At::Value | At::FirstItem => self.begin(byte),
            At::FirstKey | At::Key => (byte == b'"').then_some(self.go(At::Text { is_key: true })),
            At::Colon => (byte == b':').then_some(self.go(At::Value)),
            At::Behind => self.behind(byte),
            At::Text { is_key } => match byte {
                b'"' => Some(self.go(if is_key { At::Colon } else { At::Behind })),
                b'\\' => Some(self.go(At::Escape { is_key })),
                0..=0x1f => None,
                _ => Some(self),
            },
            At::Escape { is_key } => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(self.go(At::Text { is_key })),
                b'u' => Some(self.go(At::Hex { is_key, left: 4 })),
                _ => None,
            },
            At::Hex { is_key, left } => byte.is_ascii_hexdigit().then_some(self.go(match left {
                1 => At::Text { is_key },
                left => At::Hex { is_key, left: left - 1 },
            })),
            At::Word(letters) => match letters {
                [only] => (byte == *only).then_some(self.go(At::Behind)),
                [next, rest @ ..] => (byte == *next).then_some(self.go(At::Word(rest))),
                [] => None,
            },
            At::Number(number) => match number.next(byte) {
                Some(number) => Some(self.go(At::Number(number))),
                None if number.may_end() => self.go(At::Behind).step(byte),
                None => None,
            },
        }
    }

    fn go(self, at: At) -> Self {
        Self { at, ..self }
    }

    fn begin(self, byte: u8) -> Option<Self> {
        let at = match byte {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => At::Text { is_key: false },
            b't' => At::Word(b"rue"),
            b'f' => At::Word(b"alse"),
            b'n' => At::Word(b"ull"),
            b'-' => At::Number(Number::Minus),
            b'0' => At::Number(Number::Zero),
            b'1'..=b'9' => At::Number(Number::Whole),
            _ => return None,
        };
        Some(self.go(at))
    }

    fn open(self, is_object: bool) -> Option<Self> {
        let at = if is_object { At::FirstKey } else { At::FirstItem };
        let open = self.open << 1 | u128::from(is_object);
        (self.depth < MAX_DEPTH).then_some(Self { at, open, depth: self.depth + 1 })
    }

    fn close(self, is_object: bool) -> Option<Self> {
        let fits = self.depth > 0 && (self.open & 1 == 1) == is_object;
        fits.then(|| Self { at: At::Behind, open: self.open >> 1, depth: self.depth - 1 })
    }

    fn behind(self, byte: u8) -> Option<Self> {
        match byte {
            b'}' => self.close(true),
            b']' => self.close(false),
            b',' if self.depth > 0 => Some(self.go(if self.open & 1 == 1 { At::Key } else { At::Value })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn is_json(text: &[u8], cut: usize) -> bool {
        let (first, rest) = text.split_at(cut.min(text.len()));
        Json::new().push(first).and_then(|json| json.push(rest)).is_some_and(Json::may_end)
    }

    #[test]
    fn fi1_json_is_well_formed() {
        for good in
            ["0", "-1.5e+3", "\"\"", "[]", "{}", " [1, {\"a\": [true, false, null]}, \"\\u00e9\"]\n", "{\"a\":{}}"]
        {
            assert!(is_json(good.as_bytes(), 1), "{good}");
        }
        for bad in [
            "",
            " ",
            "01",
            "-",
            "1.",
            "1e",
            "[",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "'a'",
            "\"a",
            "\"\n\"",
            "[1}",
            "nul",
            "truee",
            "1 2",
            "[]]",
            "\"\\x\"",
            "\"\\u00g0\"",
            "\u{feff}{}",
            "{} x",
            "NaN",
            "// x\n1",
        ] {
            assert!(!is_json(bad.as_bytes(), 1), "{bad:?}");
        }
    }

    #[test]
    fn fi1_deep_json_is_refused_and_costs_nothing() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_json(nested(127).as_bytes(), 0));
        assert!(!is_json(nested(128).as_bytes(), 0));
        assert!(Json::new().push("[".repeat(1 << 20).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn it_is_of_one_mind_with_serde_json(text in "[\\[\\]{}\",:0-9a-fnrtulse.E+\\-\\\\ \n]{0,24}", cut in 0_usize..24) {
            let said = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_json(text.as_bytes(), cut), said, "{}", text);
        }

        #[test]
        fn what_serde_json_writes_is_json(text in any::<String>(), number in any::<f64>(), cut in 0_usize..64) {
            let written = serde_json::json!({ &text: [text, number, { "a": null }] });
            for written in [serde_json::to_vec(&written), serde_json::to_vec_pretty(&written)] {
                prop_assert!(is_json(&written.expect("JSON"), cut));
            }
        }
    }
}
