use reqwest::{
    Body, Method,
    multipart::{Form, Part},
};
use serde_json::json;
use std::time::Duration;

use super::{
    id_of, image,
    samples::{GOOD, HOSTILE, JPEG, PNG},
};
use crate::support::{Kind, Server, Settings, Wire, eventually};

/// Returns a form of one part, written by hand.
fn form(head: &str, bytes: &[u8]) -> Vec<u8> {
    [format!("--x\r\n{head}\r\n\r\n").as_bytes(), bytes, b"\r\n--x--\r\n"].concat()
}

const HEAD: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv";

/// Returns a table of exactly this number of bytes.
fn table(bytes: usize) -> Vec<u8> {
    "a,b\n".bytes().cycle().take(bytes).collect()
}

on_both_databases! {
    async fn fi1_every_type_is_stored_and_comes_back(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for (name, kind, bytes) in GOOD {
            let reply = owner.upload(name, kind, bytes).await;
            let location = reply.header("location").to_owned();
            let file = reply.is(201);
            assert_eq!(location, format!("/api/v1/files/{}", id_of(&file)));
            assert_eq!((&file["name"], &file["contentType"], &file["size"]), (&json!(name), &json!(kind), &json!(bytes.len())));
            assert_eq!(file["uploadedBy"], json!({ "id": owner.id, "name": "Olga Owner" }));
            assert_eq!(owner.get(&format!("/files/{}", id_of(&file))).await.is(200), file);
            let got = owner.get(&format!("/files/{}/download", id_of(&file))).await;
            assert!(got.bytes == *bytes && got.header("content-type").starts_with(kind), "{name}");
            assert_eq!(got.header("etag"), format!("\"{}\"", file["sha256"].as_str().unwrap()));
        }
        let used: usize = GOOD.iter().map(|(_, _, bytes)| bytes.len()).sum();
        assert_eq!(server.used().await, i64::try_from(used).unwrap());
    }

    async fn fi1_uploads_of_common_programs_are_stored_by_name_and_bytes(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let send = async |name: &str, part_type: &str, bytes: &[u8]| {
            let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"{part_type}");
            let request = owner.raw(Method::POST, "/files/upload").header("content-type", "multipart/form-data; boundary=x");
            owner.finish(request.body(form(&head, bytes)), &Method::POST, "/api/v1/files/upload").await
        };
        for (name, part_type, bytes, kind) in [
            ("t.csv", "", &b"a,b\n"[..], "text/csv"),
            ("t.csv", "\r\nContent-Type: ", b"a,b\n", "text/csv"),
            ("t.csv", "\r\nContent-Type: application/octet-stream", b"a,b\n", "text/csv"),
            ("t.csv", "\r\nContent-Type: text/plain; charset=utf-8", b"a,b\n", "text/csv"),
            ("t.csv", "\r\nContent-Type: text/x-csv", b"a,b\n", "text/csv"),
            ("t.json", "\r\nContent-Type: text/plain", b"{}", "application/json"),
            ("t.jfif", "\r\nContent-Type: image/jpeg", JPEG, "image/jpeg"),
            ("t.jpe", "\r\nContent-Type: image/pjpeg", JPEG, "image/jpeg"),
            ("t.png", "", PNG, "image/png"),
            ("t.png", "\r\nContent-Type: image/x-png", PNG, "image/png"),
        ] {
            let file = send(name, part_type, bytes).await.is(201);
            assert_eq!((&file["name"], &file["contentType"]), (&json!(name), &json!(kind)), "{name} {part_type}");
        }
        for (name, part_type, code) in [
            ("t.png", "", "type_mismatch"),
            ("t.html", "", "type_not_allowed"),
            ("t.csv", "\r\nContent-Type: text/html", "type_not_allowed"),
            ("t.csv", "\r\nContent-Type: \u{e9}", "type_not_allowed"),
            ("t.csv", "\r\nContent-Type: application/json", "type_mismatch"),
        ] {
            let error = send(name, part_type, JPEG).await.refused(422, "validation_failed");
            assert_eq!(error["details"][0]["code"], code, "{name} {part_type}");
        }
    }

    async fn fi1_hostile_files_are_refused_and_leave_nothing(server: Server) {
        let owner = server.tenant("acme").await.owner;
        for (name, declared, bytes, code) in HOSTILE {
            let error = owner.upload(name, declared, bytes).await.refused(422, "validation_failed");
            assert_eq!((&error["details"][0]["field"], &error["details"][0]["code"]), (&json!("file"), &json!(code)), "{name} {declared} {bytes:?}");
        }
        server.holds_nothing().await;
    }

    async fn fi2_names_are_kept_and_make_no_place(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        for (sent, kept) in [
            ("../../../../tmp/evil.png", "evil.png"),
            ("C:\\fakepath\\evil.png", "evil.png"),
            ("/etc/evil.png", "evil.png"),
            ("%2e%2e%2fevil.png", "%2e%2e%2fevil.png"),
            ("evil;rm -rf .png", "evil;rm -rf .png"),
            ("größe \u{1F980}.png", "größe \u{1F980}.png"),
        ] {
            let file = owner.upload(sent, "image/png", PNG).await.is(201);
            assert_eq!(file["name"], kept);
            assert!(server.stored().contains(&format!("{}/{}", acme.id, id_of(&file))), "{:?}", server.stored());
        }
        assert_eq!(server.stored().len(), 6);
        for bad in ["", "..", "a/", "a\u{202e}gnp.png", &format!("{}.png", "a".repeat(252))] {
            let part = Part::bytes(PNG.to_vec()).file_name(bad.to_owned()).mime_str("image/png").unwrap();
            owner.upload_form(Form::new().part("file", part)).await.refused(422, "validation_failed");
        }
        assert_eq!(server.stored().len(), 6);
    }

    async fn te7_a_file_of_a_deleted_ones_name_inherits_nothing(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let path = image(&owner).await;
        let link = owner.post(&format!("{path}/link"), json!({})).await.is(201)["url"].as_str().unwrap().to_owned();
        owner.delete(&path).await.is(204);
        let again = image(&owner).await;
        assert_ne!(path, again);
        owner.get(&path).await.refused(404, "not_found");
        let token = link.rsplit('/').next().unwrap();
        server.client().get(&format!("/files/signed/{token}")).await.refused(404, "not_found");
    }

    async fn in2_a_form_is_held_to_its_shape(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let send = async |head: &str, body: Vec<u8>| {
            let request = owner.raw(Method::POST, "/files/upload").header("content-type", head).body(body);
            owner.finish(request, &Method::POST, "/api/v1/files/upload").await
        };
        let multipart = "multipart/form-data; boundary=x";
        let file = form(HEAD, b"a,b\n");
        send("application/x-www-form-urlencoded", file.clone()).await.refused(415, "unsupported_media_type");
        send("multipart/mixed; boundary=x", file.clone()).await.refused(415, "unsupported_media_type");
        send("multipart/form-data", file.clone()).await.refused(400, "malformed_body");
        send("multipart/form-data; boundary=y", file.clone()).await.refused(400, "malformed_body");
        for (what, body) in [
            ("no end", file[..file.len() - 5].to_vec()),
            ("nothing", Vec::new()),
            ("no head", b"--x\r\n\r\n\r\n--x--\r\n".to_vec()),
            ("a part in a part", form("Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: multipart/mixed", b"")),
            ("forty headers", form(&format!("{HEAD}{}", "\r\nX-More: 1".repeat(40)), b"a")),
            ("another length", form(&format!("{HEAD}\r\nContent-Length: 2"), b"a,b\n")),
        ] {
            let reply = send(multipart, body).await;
            assert_eq!(reply.status, 400, "{what}: {}", reply.text);
        }
        let reply = send(multipart, form(&format!("{HEAD}\r\nX-Long: {}", "a".repeat(70_000)), b"a")).await;
        assert!(matches!(reply.status.as_u16(), 400 | 413), "{}", reply.text);
        let two = [&file[..file.len() - 7], &b"\r\n"[..], &file].concat();
        assert_eq!(send(multipart, two).await.refused(422, "validation_failed")["details"][0]["code"], "duplicate");
        let other = form("Content-Disposition: form-data; name=\"tenantId\"", b"1");
        assert_eq!(send(multipart, other.clone()).await.refused(422, "validation_failed")["details"][0]["code"], "unknown");
        let beside = [&file[..file.len() - 7], &b"\r\n"[..], &other].concat();
        assert_eq!(send(multipart, beside).await.refused(422, "validation_failed")["details"][0]["code"], "unknown");
        let none = b"--x--\r\n".to_vec();
        assert_eq!(send(multipart, none).await.refused(422, "validation_failed")["details"][0]["code"], "required");
        let nameless = form("Content-Disposition: form-data; name=\"file\"\r\nContent-Type: text/csv", b"a");
        send(multipart, nameless).await.refused(422, "validation_failed");
        let request = owner.raw(Method::POST, "/files/upload").header("content-type", multipart);
        let packed = request.header("content-encoding", "gzip").body(file.clone());
        owner.finish(packed, &Method::POST, "/api/v1/files/upload").await.refused(415, "unsupported_media_type");
        server.holds_nothing().await;
        send(multipart, [b"preamble\r\n", &file[..], b"epilogue"].concat()).await.is(201);
    }

    async fn an_upload_with_a_key_is_stored_once(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let send = async |name: &str, bytes: &[u8]| {
            let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned()).mime_str("text/csv").unwrap();
            let request = owner.raw(Method::POST, "/files/upload").header("idempotency-key", "one");
            let request = request.multipart(Form::new().part("file", part));
            owner.finish(request, &Method::POST, "/api/v1/files/upload").await
        };
        let first = send("a.csv", &table(100)).await.is(201);
        let again = send("a.csv", &table(100)).await;
        assert_eq!(again.header("idempotency-replayed"), "true", "the boundary was another, the file the same");
        assert_eq!(again.is(201), first);
        send("a.csv", &table(101)).await.refused(422, "idempotency_mismatch");
        send("b.csv", &table(100)).await.refused(422, "idempotency_mismatch");
        assert_eq!((server.recorded().await, server.used().await, server.stored().len()), (1, 100, 1));
    }

    async fn whoever_may_not_is_told_before_a_byte_is_read(server: Server) {
        let acme = server.tenant("acme").await;
        let viewer = server.member(&acme, "viewer").await;
        viewer.upload("a.png", "image/png", PNG).await.refused(403, "permission_denied");
        server.client().upload("a.png", "image/png", PNG).await.refused(401, "unauthenticated");
        server.holds_nothing().await;
    }
}

on_both_databases! {
    settings (MAX_FILE_SIZE = "100KiB", STORAGE_PLANS_STARTER = "1MiB");

    async fn fi3_the_size_limit_is_exact_also_in_chunks(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let chunked = |bytes: Vec<u8>| {
            let pieces = bytes.chunks(7_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
            let part = Part::stream(Body::wrap_stream(futures::stream::iter(pieces)));
            Form::new().part("file", part.file_name("a.csv").mime_str("text/csv").unwrap())
        };
        let most = 100 << 10;
        owner.upload("a.csv", "text/csv", &table(most)).await.is(201);
        owner.upload_form(chunked(table(most))).await.is(201);
        owner.upload("a.csv", "text/csv", &table(most + 1)).await.refused(413, "payload_too_large");
        owner.upload_form(chunked(table(most + 1))).await.refused(413, "payload_too_large");
        owner.upload("a.csv", "text/csv", &table(most + (200 << 10))).await.refused(413, "payload_too_large");
        owner.upload_form(chunked(table(most + (200 << 10)))).await.refused(413, "payload_too_large");
        assert_eq!((server.recorded().await, server.used().await, server.stored().len()), (2, 2 * most as i64, 2));
    }

    async fn fi3_fifty_parallel_uploads_never_pass_the_quota(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let bytes = table(100_000);
        // Clients that are told to retry, because the database is too busy, do so.
        let upload = async || loop {
            let reply = owner.upload("a.csv", "text/csv", &bytes).await;
            if reply.status != 503 {
                break reply;
            }
        };
        let replies = futures::future::join_all((0..50).map(|_| upload())).await;
        let stored = replies.iter().filter(|reply| reply.status == 201).count();
        for reply in replies.into_iter().filter(|reply| reply.status != 201) {
            reply.refused(409, "quota_exceeded");
        }
        assert_eq!(stored, 10, "a MiB has room for ten");
        assert_eq!((server.recorded().await, server.used().await, server.stored().len()), (10, 1_000_000, 10));
        let file = owner.get("/files?limit=1").await.is(200)[0].clone();
        owner.delete(&format!("/files/{}", id_of(&file))).await.is(204);
        owner.upload("a.csv", "text/csv", &bytes).await.is(201);
    }

    async fn fi3_an_aborted_upload_leaves_nothing(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let token = owner.access_token.clone().unwrap();
        let head = [format!("Authorization: Bearer {token}"), "Content-Type: multipart/form-data; boundary=x".to_owned()];
        let body = form(HEAD, &table(60_000));
        for framing in ["Content-Length: 90000", "Transfer-Encoding: chunked"] {
            for sent in [100, 20_000, body.len()] {
                let headers: Vec<&str> = head.iter().map(String::as_str).chain([framing]).collect();
                let piece = match framing.starts_with("Transfer") {
                    true => [format!("{sent:x}\r\n").as_bytes(), &body[..sent], b"\r\n"].concat(),
                    false => body[..sent].to_vec(),
                };
                let wire = Wire::post(&server, "/api/v1/files/upload", &headers, &piece).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
                drop(wire);
            }
        }
        eventually("nothing is left of what was begun", async || server.stored().is_empty()).await;
        server.holds_nothing().await;
        owner.upload("a.csv", "text/csv", &table(100)).await.is(201);
    }
}

on_both_databases! {
    async fn fi3_an_upload_that_is_cut_off_when_parts_are_on_the_disk_leaves_nothing(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let authorization = format!("Authorization: Bearer {}", owner.access_token.as_ref().unwrap());
        let body = form(HEAD, &table(3 << 20));
        let length = format!("Content-Length: {}", body.len() + 1);
        let head = [authorization.as_str(), "Content-Type: multipart/form-data; boundary=x", &length];
        for sent in [(5 << 20) / 2, body.len()] {
            let wire = Wire::post(&server, "/api/v1/files/upload", &head, &body[..sent]).await;
            eventually("parts are written", async || server.stored().iter().any(|file| file.contains('#'))).await;
            drop(wire);
            eventually("nothing is left of them", async || server.stored().is_empty()).await;
        }
        server.holds_nothing().await;
    }
}

#[test]
fn in2_an_upload_that_is_too_slow_is_answered_and_leaves_nothing() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        let owner = server.tenant("acme").await.owner;
        let token = owner.access_token.clone().unwrap();
        let authorization = format!("Authorization: Bearer {token}");
        let head = [authorization.as_str(), "Content-Type: multipart/form-data; boundary=x", "Content-Length: 900000"];
        let began = std::time::Instant::now();
        let body = form(HEAD, &table(300_000));
        let (mut listening, writer) =
            Wire::post(&server, "/api/v1/files/upload", &head, &body[..body.len() - 9]).await.split();
        let drip = tokio::spawn(Wire::drip(writer, b"a,b\n", Duration::from_millis(100)));
        let heard = listening.answer(Duration::from_secs(45)).await;
        assert_eq!((heard.status, &heard.body["error"]["code"]), (408, &json!("timeout")));
        assert!(began.elapsed() > Duration::from_secs(14), "{:?}", began.elapsed());
        listening.end(Duration::from_secs(10)).await;
        drip.abort();
        server.holds_nothing().await;
    });
}
