//! Accepted types of files. The bytes decide; the name and a declared type must agree with them.

use tenantry_kernel::FieldError;

use crate::FileName;

/// A type of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// PNG (ISO/IEC 15948).
    Png,
    /// JPEG (ISO/IEC 10918).
    Jpeg,
    /// GIF.
    Gif,
    /// WebP (RFC 9649).
    Webp,
    /// PDF (ISO 32000).
    Pdf,
    /// CSV (RFC 4180) in UTF-8.
    Csv,
    /// JSON (RFC 8259) in UTF-8.
    Json,
    /// A type that only a newer program accepts. It is served as bytes.
    Other,
}

/// Reasons why the type of a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// The name, the declared type or the bytes show a type that is not accepted.
    #[error("the type is not allowed")]
    NotAllowed,
    /// Name, declared type and bytes do not agree, or the bytes are not well-formed.
    #[error("the name, the declared type and the bytes do not match")]
    Mismatch,
}

impl TypeError {
    /// Returns the error for the field of the upload.
    pub fn detail(self) -> FieldError {
        match self {
            Self::NotAllowed => FieldError::new(
                "file",
                "type_not_allowed",
                "Upload a PNG, JPEG, GIF or WebP image, a PDF, or a CSV or JSON file.",
            ),
            Self::Mismatch => {
                FieldError::new("file", "type_mismatch", "The file name, the declared type and the bytes must match.")
            }
        }
    }
}

impl FileType {
    /// Every type that this program accepts.
    pub const ALL: &[Self] = &[Self::Png, Self::Jpeg, Self::Gif, Self::Webp, Self::Pdf, Self::Csv, Self::Json];

    /// Returns the media type as stored and as shown to clients.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Other => "application/octet-stream",
        }
    }

    /// Returns the type with this media type.
    pub fn from_media_type(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.media_type() == name)
    }

    /// Returns the type with this stored media type.
    pub fn from_stored(name: &str) -> Self {
        Self::from_media_type(name).unwrap_or(Self::Other)
    }

    /// Returns the `Content-Type` of a download.
    pub const fn served_as(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            _ => self.media_type(),
        }
    }

    /// Returns whether the type is text. Text has no signature in its bytes, so its content must match the type that
    /// the name claims.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Json)
    }

    /// Returns the type that the file's name claims. A type that the client declares must agree with it. No declaration
    /// (RFC 7578, 4.4) and `application/octet-stream` (RFC 2046, 4.5.1) say nothing, and `text/plain` says only that the
    /// file is text: most programs send one of them.
    pub fn claimed(name: &FileName, declared: Option<&str>) -> Result<Self, TypeError> {
        let by_name = Self::from_extension(&name.extension()).ok_or(TypeError::NotAllowed)?;
        let declared = declared.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match Self::from_declared(&declared) {
            Some(declared) if declared == by_name => Ok(by_name),
            Some(_) => Err(TypeError::Mismatch),
            None => match declared.as_str() {
                "" | "application/octet-stream" => Ok(by_name),
                "text/plain" if by_name.is_text() => Ok(by_name),
                "text/plain" => Err(TypeError::Mismatch),
                _ => Err(TypeError::NotAllowed),
            },
        }
    }

    /// Returns the type that the first bytes show; `None` for text and for types that are not accepted.
    pub(crate) fn of_bytes(first: &[u8]) -> Option<Self> {
        if infer::image::is_png(first) && first.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if infer::image::is_jpeg(first) {
            Some(Self::Jpeg)
        } else if infer::image::is_gif(first) && (first.starts_with(b"GIF87a") || first.starts_with(b"GIF89a")) {
            Some(Self::Gif)
        } else if infer::image::is_webp(first) && first.starts_with(b"RIFF") {
            Some(Self::Webp)
        } else if infer::archive::is_pdf(first) && first.starts_with(b"%PDF-") {
            Some(Self::Pdf)
        } else {
            None
        }
    }

    fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            "gif" => Some(Self::Gif),
            "webp" => Some(Self::Webp),
            "pdf" => Some(Self::Pdf),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Maps the declared media type: the registered name and other names that programs use.
    fn from_declared(name: &str) -> Option<Self> {
        match name {
            "image/x-png" => Some(Self::Png),
            "image/jpg" | "image/pjpeg" => Some(Self::Jpeg),
            "application/x-pdf" => Some(Self::Pdf),
            "text/x-csv" | "text/comma-separated-values" | "application/csv" | "application/x-csv" => Some(Self::Csv),
            // what browsers on machines with a spreadsheet program declare for `.csv`
            "application/vnd.ms-excel" => Some(Self::Csv),
            "text/json" => Some(Self::Json),
            _ => Self::from_media_type(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(name: &str, declared: Option<&str>) -> Result<FileType, TypeError> {
        FileType::claimed(&FileName::parse(name).expect("a name"), declared)
    }

    #[test]
    fn fi1_name_and_declared_type_must_agree() {
        assert_eq!(claimed("a.png", Some("image/png")), Ok(FileType::Png));
        assert_eq!(claimed("a.JPG", Some("Image/JPEG; q=1")), Ok(FileType::Jpeg));
        assert_eq!(claimed("a.csv", Some("application/vnd.ms-excel")), Ok(FileType::Csv));
        for (name, declared) in [
            ("a.png", Some("image/jpeg")),
            ("a.png", Some("text/plain")),
            ("a.csv", Some("application/json")),
            ("a.json", Some("text/csv")),
            ("a.jfif", Some("image/png")),
        ] {
            assert_eq!(claimed(name, declared), Err(TypeError::Mismatch), "{name} {declared:?}");
        }
        for (name, declared) in [
            ("a.svg", Some("image/svg+xml")),
            ("a.html", Some("image/png")),
            ("a.png.html", Some("image/png")),
            ("a.png", Some("text/html")),
            ("a.png", Some("image/svg+xml")),
            ("a.png", Some("octet-stream")),
            ("a.csv", Some("application/x-sh")),
            ("a.html", None),
            ("a.svg", Some("application/octet-stream")),
            ("a.txt", Some("text/plain")),
            ("a", Some("image/png")),
            ("png", Some("image/png")),
        ] {
            assert_eq!(claimed(name, declared), Err(TypeError::NotAllowed), "{name} {declared:?}");
        }
    }

    #[test]
    fn fi1_a_declaration_that_says_nothing_leaves_it_to_the_name() {
        for (name, kind) in [("a.png", FileType::Png), ("a.pdf", FileType::Pdf), ("a.csv", FileType::Csv)] {
            for declared in [None, Some(""), Some("application/octet-stream"), Some("Application/Octet-Stream; x=y")] {
                assert_eq!(claimed(name, declared), Ok(kind), "{name} {declared:?}");
            }
        }
        for (name, kind) in [("a.csv", FileType::Csv), ("a.json", FileType::Json)] {
            assert_eq!(claimed(name, Some("text/plain; charset=us-ascii")), Ok(kind), "{name}");
        }
    }

    #[test]
    fn other_names_of_accepted_types_are_known() {
        for (name, declared, kind) in [
            ("a.jfif", "image/jpeg", FileType::Jpeg),
            ("a.JPE", "image/pjpeg", FileType::Jpeg),
            ("a.png", "image/x-png", FileType::Png),
            ("a.pdf", "application/x-pdf", FileType::Pdf),
            ("a.csv", "text/x-csv", FileType::Csv),
            ("a.csv", "text/comma-separated-values", FileType::Csv),
            ("a.csv", "application/x-csv", FileType::Csv),
        ] {
            assert_eq!(claimed(name, Some(declared)), Ok(kind), "{name} {declared}");
        }
    }

    #[test]
    fn media_types_are_found_again() {
        for kind in FileType::ALL {
            assert_eq!(FileType::from_media_type(kind.media_type()), Some(*kind));
        }
    }
}
