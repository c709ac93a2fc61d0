//! Writes emails into a folder, one file for each, for another program that sends them and for tests.

use async_trait::async_trait;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::Builder;
use tenantry_mails::{Mailer, MailerError, OutgoingEmail};

use crate::{
    MailSettings, Templates,
    composer::{Composer, blocking},
};

/// Writes every email as `JOB.eml` into a folder, which is created when it is missing.
pub struct FileMailer {
    folder: PathBuf,
    composer: Composer,
}

impl FileMailer {
    /// Creates a mailer for this folder.
    pub fn new(folder: impl Into<PathBuf>, templates: Arc<Templates>, settings: MailSettings) -> Self {
        Self { folder: folder.into(), composer: Composer::new(templates, settings) }
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, email: &OutgoingEmail) -> Result<(), MailerError> {
        let message = self.composer.compose(email)?.formatted();
        let (folder, name) = (self.folder.clone(), format!("{}.eml", email.job));
        blocking(move || write(&folder, &name, &message)).await
    }
}

/// Writes a file atomically: a program that watches the folder sees the whole file or none. Only its owner can read it,
/// since links are secrets. A repeat replaces the first.
fn write(folder: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut part = Builder::new().prefix(".").suffix(".part").tempfile_in(folder)?;
    part.write_all(message)?;
    part.as_file().sync_all()?;
    part.persist(folder.join(name)).map_err(|error| error.error)?;
    // The name is durable only after the folder is synced too.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{JOB, composer, outgoing, settings, templates, to};
    use serde_json::json;
    use tempfile::TempDir;

    fn mailer(folder: &Path) -> FileMailer {
        FileMailer::new(folder, templates(), settings())
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_email_is_one_file_however_often_it_is_sent() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path().join("made/here");
        let email = outgoing("account_exists", json!({ "name": "Ada" }));
        let mailer = mailer(&folder);
        mailer.send(&email).await.unwrap();
        mailer.send(&email).await.unwrap();
        assert_eq!(names(&folder), [format!("{JOB}.eml")]);
        let written = fs::read(folder.join(format!("{JOB}.eml"))).unwrap();
        assert_eq!(written, composer().compose(&email).unwrap().formatted());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        mailer(folder.path()).send(&to("ada@example.com")).await.unwrap();
        let file = fs::metadata(folder.path().join(format!("{JOB}.eml"))).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_may_be_mended() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let failed = mailer(&file).send(&to("ada@example.com")).await;
        assert!(matches!(failed, Err(MailerError::Temporary(_))), "{failed:?}");
        // A folder with the name of the file makes the last step fail, and nothing is left behind.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join(format!("{JOB}.eml"))).unwrap();
        let failed = mailer(&taken).send(&to("ada@example.com")).await;
        assert!(matches!(failed, Err(MailerError::Temporary(_))), "{failed:?}");
        assert_eq!(names(&taken), [format!("{JOB}.eml")]);
    }

    #[tokio::test]
    async fn what_cannot_be_sent_writes_nothing() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path().join("mail");
        let failed = mailer(&folder).send(&to("nobody")).await;
        assert!(matches!(failed, Err(MailerError::Permanent(_))), "{failed:?}");
        assert!(!folder.exists());
    }
}
