//! Samples of files: one of each type, and invalid ones.

pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n\x2d\xb4\0\0\0\0IEND\xaeB`\x82";
pub(super) const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9";
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
const WEBP: &[u8] = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF";

/// A file of each type: its name, its type and its bytes.
pub(super) const GOOD: &[(&str, &str, &[u8])] = &[
    ("logo.png", "image/png", PNG),
    ("photo.JPG", "image/jpeg", JPEG),
    ("dots.gif", "image/gif", GIF),
    ("logo.webp", "image/webp", WEBP),
    ("plan.pdf", "application/pdf", PDF),
    ("table.csv", "text/csv", "\u{feff}name;größe\r\n\"Å, sa\";3\r\n".as_bytes()),
    ("data.json", "application/json", "{\"größe\": [1, 2.5e3, null]}".as_bytes()),
];

/// Files that must be refused: name, declared type, bytes, and the error code.
pub(super) const HOSTILE: &[(&str, &str, &[u8], &str)] = &[
    ("page.html", "text/html", b"<script>alert(1)</script>", "type_not_allowed"),
    ("page.png", "image/png", b"<html><script>alert(1)</script></html>", "type_not_allowed"),
    ("page.csv", "text/csv", b" \r\n<html><script>alert(1)</script>", "type_not_allowed"),
    ("page.json", "application/json", b"\xef\xbb\xbf<script>alert(1)</script>", "type_mismatch"),
    ("logo.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "type_not_allowed"),
    ("logo.png", "image/png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "type_not_allowed"),
    ("feed.csv", "text/csv", b"<?xml version='1.0'?><!DOCTYPE a SYSTEM 'file:///etc/passwd'>", "type_not_allowed"),
    ("setup.png", "image/png", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0", "type_not_allowed"),
    ("setup.exe", "application/octet-stream", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0", "type_not_allowed"),
    ("logo.png.html", "image/png", PNG, "type_not_allowed"),
    ("logo.png", "text/html", PNG, "type_not_allowed"),
    ("logo", "image/png", PNG, "type_not_allowed"),
    ("logo.jpg", "image/jpeg", PNG, "type_mismatch"),
    ("logo.png", "image/jpeg", PNG, "type_mismatch"),
    ("logo.png", "text/plain", PNG, "type_mismatch"),
    ("logo.png", "application/octet-stream", JPEG, "type_mismatch"),
    ("logo.png", "application/octet-stream", b"<script>alert(1)</script>", "type_not_allowed"),
    ("table.csv", "text/plain", b"a,\"b\n", "type_mismatch"),
    ("table.csv", "text/csv", PDF, "type_mismatch"),
    ("table.csv", "text/csv", b"a,\"b\n", "type_mismatch"),
    ("table.csv", "text/csv", b"a,b\0c\n", "type_not_allowed"),
    ("table.csv", "text/csv", b"gr\xf6sse\n", "type_not_allowed"),
    ("data.json", "application/json", b"{a: alert(1)}", "type_mismatch"),
    ("data.json", "application/json", b"{\"a\": 1", "type_mismatch"),
    ("data.json", "application/json", &[b'['; 1000], "type_mismatch"),
    ("empty.csv", "text/csv", b"", "type_not_allowed"),
];
