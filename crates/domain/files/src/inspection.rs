//! Inspects a file while it streams: its size, its hash, and whether its bytes match its claimed type.

use sha2::{Digest, Sha256};

use crate::{FileType, TypeError, csv::Csv, json::Json};

/// Result of an inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Type, as found in the bytes.
    pub kind: FileType,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes (FIPS 180-4).
    pub sha256: [u8; 32],
}

/// Inspects the bytes of one file, in order and piece by piece, in constant memory.
#[derive(Debug)]
pub struct Inspection {
    claimed: FileType,
    hash: Sha256,
    bytes: u64,
    first: Vec<u8>,
    text: Text,
}

impl Inspection {
    /// Number of bytes that identify every binary type.
    const TELLING: usize = 16;

    /// Starts the inspection of a file that claims this type.
    pub fn new(claimed: FileType) -> Self {
        Self {
            claimed,
            hash: Sha256::new(),
            bytes: 0,
            first: Vec::with_capacity(Self::TELLING),
            text: Text::new(claimed),
        }
    }

    /// Inspects the next bytes. Fails as soon as they show that the file is not of its claimed type.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TypeError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.first.len() < Self::TELLING {
            let missing = Self::TELLING - self.first.len();
            self.first.extend(bytes.iter().take(missing));
            if self.first.len() == Self::TELLING {
                self.look_at_first()?;
            }
        }
        if self.claimed.is_text() { self.text.push(bytes) } else { Ok(()) }
    }

    /// Returns the result after the last byte. An empty file has no type.
    pub fn finish(self) -> Result<Content, TypeError> {
        if self.bytes == 0 {
            return Err(TypeError::NotAllowed);
        }
        if self.first.len() < Self::TELLING {
            self.look_at_first()?;
        }
        if self.claimed.is_text() {
            self.text.finish()?;
        }
        Ok(Content { kind: self.claimed, bytes: self.bytes, sha256: self.hash.finalize().into() })
    }

    fn look_at_first(&self) -> Result<(), TypeError> {
        match FileType::of_bytes(&self.first) {
            Some(kind) if kind == self.claimed => Ok(()),
            Some(_) => Err(TypeError::Mismatch),
            None if self.claimed.is_text() => Ok(()),
            None if looks_like_text(&self.first) => Err(TypeError::Mismatch),
            None => Err(TypeError::NotAllowed),
        }
    }
}

/// Returns whether the bytes can begin a text that is not markup.
fn looks_like_text(first: &[u8]) -> bool {
    let is_whole = |error: &std::str::Utf8Error| error.error_len().is_some();
    let is_utf8 = !std::str::from_utf8(first).is_err_and(|error| is_whole(&error));
    let visible = first.iter().find(|byte| !byte.is_ascii_whitespace());
    is_utf8 && !first.contains(&0) && visible != Some(&b'<')
}

/// State of a text scan: UTF-8 without NUL that has the claimed syntax and is not markup.
#[derive(Debug)]
struct Text {
    syntax: Syntax,
    /// Bytes of an incomplete character; at most three.
    broken: Vec<u8>,
    at_start: bool,
    has_begun: bool,
}

#[derive(Debug, Clone, Copy)]
enum Syntax {
    Csv(Csv),
    Json(Json),
}

impl Text {
    const BYTE_ORDER_MARK: char = '\u{feff}';

    fn new(claimed: FileType) -> Self {
        let syntax = if claimed == FileType::Json { Syntax::Json(Json::new()) } else { Syntax::Csv(Csv::default()) };
        Self { syntax, broken: Vec::new(), at_start: true, has_begun: false }
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<(), TypeError> {
        while !self.broken.is_empty() {
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            self.broken.push(*byte);
            bytes = rest;
            let broken = std::mem::take(&mut self.broken);
            match std::str::from_utf8(&broken) {
                Ok(character) => self.read(character)?,
                Err(error) if error.error_len().is_none() => self.broken = broken,
                Err(_) => return Err(TypeError::NotAllowed),
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.read(text),
            Err(error) if error.error_len().is_none() => {
                let (whole, broken) = bytes.split_at(error.valid_up_to());
                self.broken = broken.to_vec();
                self.read(std::str::from_utf8(whole).map_err(|_| TypeError::NotAllowed)?)
            }
            Err(_) => Err(TypeError::NotAllowed),
        }
    }

    fn read(&mut self, mut text: &str) -> Result<(), TypeError> {
        if text.contains('\0') {
            return Err(TypeError::NotAllowed);
        }
        if self.at_start && !text.is_empty() {
            self.at_start = false;
            // spreadsheet programs write it before CSV; JSON must not have one (RFC 8259, section 8.1)
            if let (Syntax::Csv(_), Some(rest)) = (self.syntax, text.strip_prefix(Self::BYTE_ORDER_MARK)) {
                text = rest;
            }
        }
        if !self.has_begun
            && let Some(first) = text.chars().find(|c| !c.is_whitespace())
        {
            self.has_begun = true;
            // HTML, SVG and XML would also be well-formed CSV
            if first == '<' {
                return Err(TypeError::NotAllowed);
            }
        }
        let bytes = text.as_bytes();
        let read = match self.syntax {
            Syntax::Csv(csv) => csv.push(bytes).map(Syntax::Csv),
            Syntax::Json(json) => json.push(bytes).map(Syntax::Json),
        };
        self.syntax = read.ok_or(TypeError::Mismatch)?;
        Ok(())
    }

    fn finish(self) -> Result<(), TypeError> {
        if !self.broken.is_empty() {
            return Err(TypeError::NotAllowed);
        }
        let may_end = match self.syntax {
            Syntax::Csv(csv) => csv.may_end(),
            Syntax::Json(json) => json.may_end(),
        };
        if may_end { Ok(()) } else { Err(TypeError::Mismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0;";
    const WEBP: &[u8] = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";
    const PDF: &[u8] = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF";

    fn inspect(claimed: FileType, bytes: &[u8], piece: usize) -> Result<Content, TypeError> {
        let mut inspection = Inspection::new(claimed);
        for piece in bytes.chunks(piece.max(1)) {
            inspection.push(piece)?;
        }
        inspection.finish()
    }

    #[test]
    fn fi1_what_the_bytes_are_decides() {
        let good: [(FileType, &[u8]); 8] = [
            (FileType::Png, PNG),
            (FileType::Jpeg, JPEG),
            (FileType::Gif, GIF),
            (FileType::Webp, WEBP),
            (FileType::Pdf, PDF),
            (FileType::Csv, "\u{feff}name;größe\r\nÅsa;3\r\n".as_bytes()),
            (FileType::Csv, b"BM,MZ\n1,2\n"),
            (FileType::Json, "{\"größe\": [1, 2.5e3]}\n".as_bytes()),
        ];
        for (kind, bytes) in good {
            for piece in [1, 2, 3, 7, 1000] {
                let content = inspect(kind, bytes, piece).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                assert_eq!((content.kind, content.bytes), (kind, bytes.len() as u64));
                assert_eq!(content.sha256, <[u8; 32]>::from(Sha256::digest(bytes)));
                for other in FileType::ALL.iter().filter(|other| **other != kind && !other.is_text()) {
                    assert!(inspect(*other, bytes, piece).is_err(), "{kind:?} passes for {other:?}");
                }
            }
        }
        assert_eq!(inspect(FileType::Jpeg, PNG, 5), Err(TypeError::Mismatch));
        assert_eq!(inspect(FileType::Csv, PDF, 5), Err(TypeError::Mismatch));
        assert_eq!(inspect(FileType::Png, b"plain words, and a few more", 5), Err(TypeError::Mismatch));
    }

    #[test]
    fn fi1_hostile_files_are_refused() {
        use FileType::{Csv, Gif, Jpeg, Json, Pdf, Png, Webp};
        let hostile: &[(&str, &[FileType], &[u8])] = &[
            ("nothing", FileType::ALL, b""),
            ("HTML", FileType::ALL, b"<!doctype html><script>alert(1)</script>"),
            ("HTML behind white space", FileType::ALL, b" \r\n\t <html><body onload=alert(1)>"),
            ("HTML behind a byte order mark", FileType::ALL, b"\xef\xbb\xbf<script>alert(1)</script>\n"),
            ("HTML behind much white space", &[Csv, Json], &[&[b' '; 4096][..], b"<script>"].concat()),
            ("SVG", FileType::ALL, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
            ("XML", FileType::ALL, b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"),
            ("HTML in UTF-16", FileType::ALL, b"\xff\xfe<\0h\0t\0m\0l\0>\0"),
            ("a script", &[Png, Jpeg, Gif, Webp, Pdf, Json], b"#!/bin/sh\nrm -rf /\n"),
            ("an executable of Windows", FileType::ALL, b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0"),
            ("an executable of Linux", FileType::ALL, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0"),
            ("a ZIP archive", FileType::ALL, b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0"),
            ("a bitmap", FileType::ALL, b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
            ("half a signature of PNG", FileType::ALL, b"\x89PNG<script>alert(1)</script>"),
            ("a RIFF that is no WebP", FileType::ALL, b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"),
            ("WEBP without RIFF", &[Webp], b"<scripWEBPVP8 alert(1)"),
            ("PDF behind HTML", FileType::ALL, b"<html>\n%PDF-1.7\n"),
            ("PDF behind a line", &[Pdf], b"harmless\n%PDF-1.7\n"),
            ("NUL in text", &[Csv, Json], b"\"a\0b\""),
            ("NUL late in text", &[Csv], &[&[b'a'; 100_000][..], b"\0"].concat()),
            ("Latin-1", &[Csv, Json], b"\"gr\xf6sse\""),
            ("half a character", &[Csv, Json], b"\"gr\xc3"),
            ("an overlong slash", &[Csv, Json], b"\"\xc0\xaf\""),
            ("a surrogate", &[Csv, Json], b"\"\xed\xa0\x80\""),
            ("an open quote", &[Csv, Json], b"a,\"b\n"),
            ("two values", &[Json], b"{} {}"),
            ("JavaScript", &[Json], b"{a: alert(1)}"),
            ("JSON behind a prefix", &[Json], b")]}',\n{}"),
            ("deep JSON", &[Json], &[b'['; 5000]),
        ];
        for (what, claims, bytes) in hostile {
            for claimed in *claims {
                for piece in [1, 5, usize::MAX] {
                    assert!(inspect(*claimed, bytes, piece).is_err(), "{what} passes for {claimed:?}");
                }
            }
        }
        assert_eq!(inspect(Csv, b"<svg/>", 1), Err(TypeError::NotAllowed));
        assert_eq!(inspect(Gif, b"<svg onload=alert(1)/>", 9), Err(TypeError::NotAllowed));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(bytes in any::<Vec<u8>>(), text in any::<String>(), piece in 1_usize..9) {
            // the order of the pieces does decide which of several faults is found first
            for kind in FileType::ALL {
                for bytes in [&bytes[..], text.as_bytes()] {
                    prop_assert_eq!(inspect(*kind, bytes, piece).ok(), inspect(*kind, bytes, usize::MAX).ok());
                }
            }
        }
    }
}
