//! Tests of seals, and of the findings of `tenantry audit verify`.

use serde_json::Value;
use std::process::Command;

use super::busy;
use crate::support::{Kind, Server, Settings, Tenant, pages::assert_pages_join};

/// The output of a command about the audit log, and its exit code.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn whole(self) -> String {
        assert_eq!(self.code, 0, "{}", self.text);
        self.text
    }

    #[track_caller]
    fn broken(self, finding: &str) {
        assert!(self.code == 1 && self.text.contains(finding), "wanted {finding:?}, said {}: {}", self.code, self.text);
    }
}

impl Server {
    /// Runs a command about the audit log on this server's data.
    pub(crate) fn audit(&self, arguments: &[&str]) -> Said {
        let settings = self.place.settings(&Settings::default());
        let done = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .arg("audit")
            .args(arguments)
            .env_clear()
            .envs(settings)
            .current_dir(self.place.folder.path())
            .output()
            .unwrap();
        let text = [done.stdout, done.stderr].concat();
        Said { code: done.status.code().unwrap(), text: String::from_utf8(text).unwrap() }
    }

    /// Allows the test to change the journal in ways that the application never does.
    pub(super) async fn open_journal(&self) {
        if let crate::support::Sql::Postgres(_) = self.sql {
            for table in ["journal", "journal_parts", "journal_segments", "journal_unsealed"] {
                self.sql.execute(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).await;
            }
        }
    }

    /// Saves the journal, to restore it later.
    async fn keep_journal(&self) {
        for table in TABLES {
            self.sql.execute(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
    }

    async fn put_journal_back(&self) {
        for table in TABLES {
            self.sql.execute(&format!("DELETE FROM {table}")).await;
            self.sql.execute(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
        }
    }
}

const TABLES: [&str; 4] = ["journal", "journal_parts", "journal_segments", "journal_unsealed"];

/// Returns the lines of the tenant's export with seals.
pub(super) async fn evidence(tenant: &Tenant) -> Vec<Value> {
    let reply = tenant.owner.get("/audit-logs/export?format=ndjson&seals=true").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn entries(lines: &[Value]) -> Vec<String> {
    lines.iter().filter_map(|line| Some(line["entry"]["id"].as_str()?.to_owned())).collect()
}

/// Creates a tenant whose log has three segments.
async fn sealed(server: &Server) -> Tenant {
    let acme = busy(server).await;
    for name in ["b", "c"] {
        server.audit(&["seal"]).whole();
        let body = serde_json::json!({ "name": name, "permissions": [] });
        acme.owner.post("/roles", body).await.is(201);
    }
    server.audit(&["seal"]).whole();
    acme
}

on_both_databases! {
    async fn a_log_is_sealed_segment_by_segment_and_is_whole(server: Server) {
        let acme = sealed(&server).await;
        let seals = assert_pages_join(&acme.owner, "/audit-logs/seals").await;
        assert_eq!(seals.len(), 3);
        let number = |seal: &Value, field: &str| seal[field].as_i64().unwrap();
        for (newer, older) in seals.iter().zip(&seals[1..]) {
            assert_eq!(newer["previous"], older["digest"]);
            assert_eq!(number(newer, "firstPosition"), number(older, "firstPosition") + number(older, "count"));
        }
        let said = server.audit(&["verify"]).whole();
        let entries: i64 = seals.iter().map(|seal| number(seal, "count")).sum();
        assert!(said.contains(&format!("tenant acme ({}): whole: {entries} entries in 3 segments", acme.id)), "{said}");
        assert!(said.contains("entries without a tenant: whole"), "{said}");
        assert!(!said.contains("not yet sealed"), "{said}");
        // A log without new entries is not sealed again: the event of sealing is in its own last segment.
        assert!(server.audit(&["seal"]).whole().contains("no entries to seal"));
        let listed = acme.owner.get("/audit-logs?action=audit.sealed").await.is(200);
        assert_eq!(listed.as_array().map(Vec::len), Some(3));
        assert_eq!(listed[0]["actor"]["type"], "system");
        acme.owner.post("/roles", serde_json::json!({ "name": "d", "permissions": [] })).await.is(201);
        assert!(server.audit(&["verify", "--tenant", "acme"]).whole().contains("1 not yet sealed"));
    }

    async fn what_is_done_to_the_database_is_named(server: Server) {
        let acme = sealed(&server).await;
        let lines = evidence(&acme).await;
        let ids = entries(&lines);
        server.open_journal().await;
        server.keep_journal().await;
        let victim = |at: usize| server.sql.id(&ids[at]);
        let verify = || server.audit(&["verify", "--tenant", "acme"]);
        for at in [0, 4, ids.len() - 1] {
            let (id, position) = (&ids[at], at + 1);
            let own = victim(at);
            for flip in ["count = count + 1", "outcome = 'failed'", "action = 'role.unheard_of'", "commitment = salt_of"] {
                let flip = flip.replace("salt_of", "(SELECT salt FROM journal_parts LIMIT 1)");
                server.sql.execute(&format!("UPDATE journal SET {flip} WHERE id = {own}")).await;
                verify().broken(&format!("entry {id} at position {position} was changed"));
                server.put_journal_back().await;
            }
            server.sql.execute(&format!("UPDATE journal_parts SET part = '{{\"actorName\":\"Mallory\"}}' WHERE event_id = {own}")).await;
            verify().broken(&format!("the personal part of entry {id} at position {position} was changed"));
            server.put_journal_back().await;
            server.sql.execute(&format!("DELETE FROM journal WHERE id = {own}")).await;
            verify().broken(&format!("entry {id} at position {position} was dropped"));
            server.put_journal_back().await;
        }
        verify().whole();

        let added = "0192f0c1-2345-7abc-8def-0123456789ab";
        let copy = format!(
            "INSERT INTO journal SELECT {} AS id, version, tenant_id, occurred_at, action, action_group, outcome, actor_type, \
             actor_id, on_behalf_of, target_type, target_id, changes, request_id, count, commitment FROM journal WHERE id = {}",
            server.sql.id(added),
            victim(2)
        );
        let copy = if let crate::support::Sql::Postgres(_) = server.sql { copy.replace("' AS id", "'::uuid AS id") } else { copy };
        server.sql.execute(&copy).await;
        verify().broken(&format!("entry {added} was added"));
        server.put_journal_back().await;

        // Two entries swap their contents.
        let moved = format!(
            "UPDATE journal SET action = (SELECT action FROM kept_journal o WHERE o.id = {}) WHERE id = {}",
            victim(1), victim(0)
        );
        server.sql.execute(&moved).await;
        verify().broken(&format!("entry {} at position 1 was changed", ids[0]));
        server.put_journal_back().await;

        for (tampering, finding) in [
            ("UPDATE journal_segments SET listed = NULL WHERE number = 2", "the entries of segment 2"),
            ("DELETE FROM journal_segments WHERE number = 2", "segment 2, from position"),
            ("DELETE FROM journal_segments WHERE number = 1", "segment 1, from position 1 on, was dropped"),
            ("UPDATE journal_segments SET seal = replace(seal, '\"number\":2', '\"number\":1') WHERE number = 2", "the seal of segment 2"),
            ("UPDATE journal_segments SET seal = 'x' WHERE number = 3", "segment 3 was changed: its seal cannot be read"),
            ("UPDATE journal_segments SET listed = (SELECT listed FROM kept_journal_segments k WHERE k.number = 1 AND k.chain = journal_segments.chain) WHERE number = 2", "the list of segment 2"),
        ] {
            server.sql.execute(tampering).await;
            // Forged text may carry another number than its row; only the finding itself matters.
            let said = verify();
            assert_eq!(said.code, 1, "{tampering}: {}", said.text);
            if !tampering.contains("replace(") {
                said.broken(finding);
            }
            server.put_journal_back().await;
        }
        verify().whole();

        // An export shows the gap too, and a log without any seal is still checked.
        server.sql.execute("DELETE FROM journal_segments WHERE number = 2").await;
        let gap: String = evidence(&acme).await.iter().map(|line| format!("{line}\n")).collect();
        let file = server.place.folder.path().join("gap.ndjson");
        std::fs::write(&file, gap).unwrap();
        server.audit(&["verify", "--export", file.to_str().unwrap()]).broken("segment 2, from position");
        server.put_journal_back().await;
        server.sql.execute(&format!("DELETE FROM journal_segments WHERE chain = {}", server.sql.id(&acme.id))).await;
        server.sql.execute("DELETE FROM journal_unsealed").await;
        server.audit(&["verify"]).broken("was added");
        server.put_journal_back().await;
        verify().whole();
    }

    async fn one_log_that_cannot_be_sealed_keeps_no_other_from_it(server: Server) {
        let (acme, globex) = (server.tenant("acme").await, server.tenant("globex").await);
        server.audit(&["seal"]).whole();
        server.open_journal().await;
        for tenant in [&acme, &globex] {
            tenant.owner.post("/roles", serde_json::json!({ "name": "new", "permissions": [] })).await.is(201);
        }
        let first = std::cmp::min(&acme.id, &globex.id);
        server.sql.execute(&format!("UPDATE journal_segments SET seal = 'x' WHERE chain = {}", server.sql.id(first))).await;
        let said = server.audit(&["seal"]);
        assert_ne!(said.code, 0, "{}", said.text);
        let other = if first == &acme.id { "globex" } else { "acme" };
        assert!(!server.audit(&["verify", "--tenant", other]).whole().contains("not yet sealed"));
    }

    async fn a_log_that_is_written_all_the_time_is_sealed_up_to_the_beginning(server: Server) {
        let acme = server.tenant("acme").await;
        let reason = tenantry_store::SystemReason::Worker;
        let writing = async {
            for n in 0..30 {
                let name = format!("role {n}");
                acme.owner.post("/roles", serde_json::json!({ "name": name, "permissions": [] })).await.is(201);
            }
        };
        let sealing = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            server.app.sealer.seal_journal(reason).await.unwrap()
        };
        let ((), sealed) = tokio::join!(writing, sealing);
        assert_eq!(sealed.segments, 2, "one of the tenant's log and one of the entries without a tenant: {sealed:?}");
    }

    async fn a_head_shows_what_was_cut_off_or_written_anew(server: Server) {
        let acme = sealed(&server).await;
        let head = server.audit(&["head", "--tenant", "acme"]).whole();
        let head = head.trim();
        let with_head = || server.audit(&["verify", "--tenant", "acme", "--head", head]);
        assert!(with_head().whole().contains("behind the head that was given"));
        server.open_journal().await;
        server.keep_journal().await;
        let chain = server.sql.id(&acme.id);

        let last = format!("(SELECT max(number) FROM journal_segments WHERE chain = {chain})");
        let of_last = evidence(&acme).await;
        let before = of_last.iter().rposition(|line| line["segment"]["seal"]["number"] == 2).unwrap();
        let cut: Vec<String> = entries(&of_last[before..]).iter().map(|id| server.sql.id(id)).collect();
        server.sql.execute(&format!("DELETE FROM journal_segments WHERE chain = {chain} AND number = {last}")).await;
        server.sql.execute(&format!("DELETE FROM journal WHERE id IN ({})", cut.join(", "))).await;
        server.audit(&["verify", "--tenant", "acme"]).whole();
        with_head().broken("it was truncated");
        server.put_journal_back().await;

        server.sql.execute(&format!("DELETE FROM journal_segments WHERE chain = {chain}")).await;
        server.sql.execute(&format!("UPDATE journal SET count = 7 WHERE id = {}", server.sql.id(&entries(&of_last)[1]))).await;
        server.sql.execute(&format!("INSERT INTO journal_unsealed SELECT tenant_id, id FROM journal WHERE tenant_id = {chain}")).await;
        for _ in 0..3 {
            server.audit(&["seal"]);
            acme.owner.post("/auth/logout", serde_json::json!({})).await;
            server.sign_in(&acme.owner.email, "acme").await;
        }
        server.audit(&["seal"]);
        server.audit(&["verify", "--tenant", "acme"]).whole();
        with_head().broken("is not the one of the head");
    }

    async fn an_export_is_verified_with_a_named_key_and_nothing_else(server: Server) {
        let acme = sealed(&server).await;
        let keys = server.audit(&["keys"]).whole();
        let key = keys.split_whitespace().next().unwrap();
        let lines = evidence(&acme).await;
        let ids = entries(&lines);
        let file = server.place.folder.path().join("acme.ndjson");
        let verify = |lines: &[Value], more: &[&str]| {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(&file, text).unwrap();
            server.audit(&[&["verify", "--export", file.to_str().unwrap()], more].concat())
        };
        assert!(verify(&lines, &["--key", key]).whole().contains(&format!("whole: {} entries", ids.len())));
        verify(&lines, &[]).whole();
        let stranger = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        verify(&lines, &["--key", stranger]).broken("none of the trusted ones");

        let at = |index: usize| lines.iter().position(|line| line["entry"]["id"] == ids[index].as_str()).unwrap();
        let mut flipped = lines.clone();
        flipped[at(1)]["entry"]["action"] = "role.deleted".into();
        verify(&flipped, &[]).broken(&format!("entry {} at position 2 was changed", ids[1]));
        let mut told = lines.clone();
        told[at(1)]["personal"]["actorName"] = "Mallory".into();
        verify(&told, &[]).broken(&format!("the personal part of entry {} at position 2", ids[1]));
        let mut dropped = lines.clone();
        dropped.remove(at(2));
        verify(&dropped, &[]).broken(&format!("entry {} at position 3 was dropped", ids[2]));
        let mut added = lines.clone();
        let mut more = lines[at(2)].clone();
        more["entry"]["id"] = "0192f0c1-2345-7abc-8def-0123456789ab".into();
        added.insert(at(2), more);
        verify(&added, &[]).broken("entry 0192f0c1-2345-7abc-8def-0123456789ab was added before position 3");
        let mut swapped = lines.clone();
        swapped.swap(at(1), at(2));
        verify(&swapped, &[]).broken(&format!("entry {} was moved to position 2", ids[2]));
        let head = server.audit(&["head", "--tenant", "acme"]).whole();
        let end = lines.iter().rposition(|line| line["segment"].is_object()).unwrap();
        let before = lines[..end].iter().rposition(|line| line["segment"].is_object()).unwrap();
        verify(&lines[..=before], &[]).whole();
        verify(&lines[..=before], &["--head", head.trim()]).broken("it was truncated");
        verify(&lines[..end], &[]).broken("was added before position");

        // Each of several heads counts, and one of another log is not ignored.
        let first = lines.iter().find(|line| line["segment"].is_object()).unwrap();
        let first = format!("{}:1:{}", acme.id, first["segment"]["digest"].as_str().unwrap());
        verify(&lines, &["--head", &first, "--head", head.trim()]).whole();
        verify(&lines[..=before], &["--head", &first, "--head", head.trim()]).broken("it was truncated");
        let other = head.replace(&acme.id, "none");
        let said = verify(&lines, &["--head", other.trim()]);
        assert!(said.code == 2 && said.text.contains("belongs to another log"), "{}: {}", said.code, said.text);
        let said = server.audit(&["verify", "--tenant", "acme", "--head", other.trim()]);
        assert!(said.code == 2 && said.text.contains("belongs to another log"), "{}: {}", said.code, said.text);

        std::fs::write(&file, "{}\n").unwrap();
        let said = server.audit(&["verify", "--export", file.to_str().unwrap()]);
        assert!(said.code == 2 && said.text.contains("is not an export"), "{}: {}", said.code, said.text);
    }

    async fn an_export_says_nothing_beside_what_was_verified(server: Server) {
        let acme = sealed(&server).await;
        let whole = acme.owner.get("/audit-logs/export?format=ndjson&seals=true").await.text;
        let file = server.place.folder.path().join("acme.ndjson");
        let verify = |text: &str| {
            std::fs::write(&file, text).unwrap();
            server.audit(&["verify", "--export", file.to_str().unwrap()])
        };
        verify(&whole).whole();
        verify(&whole.replace('\n', "\r\n")).whole();
        let zeros = format!("\"digest\":\"{}\",\"listed\"", "0".repeat(64));
        let digest = whole.find("\"digest\":").unwrap();
        let listed = digest + whole[digest..].find("\"listed\"").unwrap() + "\"listed\"".len();
        for forged in [
            whole.replacen("\"action\":", "\"action\":\"role.deleted\",\"action\":", 1),
            whole.replacen("\"field\":", "\"field\":\"FORGED\",\"field\":", 1),
            whole.replacen("\"actorName\":", "\"actorName\":\"Mallory\",\"actorName\":", 1),
            whole.replacen("{\"entry\":", "{ \"entry\":", 1),
            whole.replacen("Z\",", "+00:00\",", 1),
            format!("{}{zeros}{}", &whole[..digest], &whole[listed..]),
        ] {
            assert_ne!(forged, whole);
            verify(&forged).broken("does not have the form of an export");
        }
    }

    async fn two_that_seal_at_once_make_one_chain(server: Server) {
        let acme = busy(&server).await;
        for round in 0..5 {
            for n in 0..10 {
                let name = format!("role {round} {n}");
                acme.owner.post("/roles", serde_json::json!({ "name": name, "permissions": [] })).await.is(201);
            }
            let reason = tenantry_store::SystemReason::Worker;
            let (one, two) = (server.app.sealer.clone(), server.app.sealer.clone());
            let (one, two) = tokio::join!(one.seal_journal(reason), two.seal_journal(reason));
            one.unwrap();
            two.unwrap();
        }
        assert!(!server.audit(&["verify"]).whole().contains("not yet sealed"));
    }
}

#[test]
fn the_worker_seals_by_itself() {
    let settings = Settings::default().set("AUDIT_SEALS", "on");
    Server::run(Kind::Sqlite, settings, |server| async move {
        let acme = server.tenant("acme").await;
        crate::support::within(std::time::Duration::from_secs(75), "the log is sealed", async || {
            !acme.owner.get("/audit-logs/seals").await.is(200).as_array().unwrap().is_empty()
        })
        .await;
    });
}
