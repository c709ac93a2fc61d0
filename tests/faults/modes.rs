//! Tests that the program creates everything for its user alone, whatever the umask of its caller is.

use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    process::{Process, settings},
    run,
};
use crate::support::{Client, PASSWORD, ServerData, eventually};

/// Returns everything below the folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], below(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn what_is_made_is_for_its_user_alone() {
    run(async {
        let place = ServerData::without_database();
        let data = place.folder.path().join("made/data");
        let mail = place.folder.path().join("made/mail");
        let settings =
            settings().set("DATA_DIR", data.to_str().unwrap()).set("MAIL_URL", &format!("file:{}", mail.display()));
        let program = format!("umask 000; exec {} serve", env!("CARGO_BIN_EXE_tenantry"));
        let shell = Path::new("/bin/sh");
        let mut server =
            Process::spawn_program(shell, &["-c", &program], &place.settings(&settings), place.folder.path());
        server.becomes_ready().await;
        let client = Client::new(server.url(), crate::support::Sql::sqlite(&data.join("tenantry.db")).await);
        let body = json!({ "email": "ada@acme.example", "password": PASSWORD, "name": "Ada", "tenantName": "Acme" });
        let ada = client.post("/auth/register", body).await.is(201);
        let ada = client.with_token(ada["accessToken"].as_str().unwrap());
        ada.upload("plan.csv", "text/csv", b"what,when\n").await.is(201);
        eventually("the mail is written", async || {
            below(&mail).iter().any(|path| path.extension().is_some_and(|end| end == "eml"))
        })
        .await;

        let made = below(&place.folder.path().join("made"));
        for name in ["tenantry.db", "tenantry.db-wal", "tenantry.db-shm", "tenantry.db.serve.lock", "keys.env", "files"]
        {
            assert!(made.contains(&data.join(name)), "{name} is not among {made:?}");
        }
        let stored = made.iter().filter(|path| path.starts_with(data.join("files")) && path.is_file()).count();
        assert_eq!(stored, 1, "{made:?}");
        for path in made {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}: {mode:o}", path.display());
        }
    });
}
