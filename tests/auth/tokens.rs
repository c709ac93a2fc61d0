//! Tests of access tokens: their claims, and the forgeries that are refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use std::{io::ErrorKind, net::TcpListener};

use crate::support::{
    Client, Forge, Linked, Log, Member, PASSWORD, claims_of, header_of,
    links::{LINK_PLACES, body_for},
    sign_with_hmac, unsigned,
};

/// Returns the object with one field set; `null` removes it.
fn with(mut object: Value, field: &str, value: Value) -> Value {
    match value {
        Value::Null => object.as_object_mut().unwrap().remove(field),
        value => object.as_object_mut().unwrap().insert(field.to_owned(), value),
    };
    object
}

/// Returns header and claims of a genuine token of the member.
fn parts_of(member: &Member) -> (Value, Value) {
    let token = member.access_token.as_deref().unwrap();
    (header_of(token), claims_of(token))
}

async fn is_invalid(client: &Client, token: &str, what: &str) {
    let reply = client.with_token(token).get("/auth/me").await;
    assert_eq!(reply.status, 401, "{what}: {}", reply.text);
    assert_eq!(reply.body["error"]["code"], "token_invalid", "{what}");
    assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"tenantry\", error=\"invalid_token\"", "{what}");
}

on_both_databases! {
    async fn an_access_token_says_what_the_contract_lists_and_nothing_else(server: Server) {
        let acme = server.tenant("acme").await;
        let (header, claims) = parts_of(&acme.owner);
        let keys = server.client().get("//.well-known/jwks.json").await;
        assert_eq!(header, json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": keys.body["keys"][0]["kid"] }));
        let issued = claims["iat"].as_i64().unwrap();
        let expected = json!({
            "iss": server.url(), "aud": server.url(), "sub": acme.owner.id, "sid": acme.owner.session_id().await,
            "tid": acme.id, "rot": 0, "jti": claims["jti"], "iat": issued, "nbf": issued, "exp": issued + 900
        });
        assert_eq!(claims, expected);
        let body = json!({ "refreshToken": acme.owner.refresh_token });
        let next = server.client().post("/auth/refresh", body).await.is(200);
        let later = claims_of(next["accessToken"].as_str().unwrap());
        assert_eq!(later["rot"], 1);
        assert_ne!(later["jti"], claims["jti"]);
    }

    async fn the_key_set_is_public_and_may_be_kept_for_five_minutes(server: Server) {
        let reply = server.client().get("//.well-known/jwks.json").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        assert_eq!(reply.header("content-type"), "application/json");
        let public = URL_SAFE_NO_PAD.encode(Forge::of(&server).public_key());
        let kid = &reply.body["keys"][0]["kid"];
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": public });
        assert_eq!(reply.body, json!({ "keys": [key] }));
    }

    async fn tk1_only_eddsa_and_only_our_keys(server: Server) {
        let acme = server.tenant("acme").await;
        let client = server.client();
        let (header, claims) = parts_of(&acme.owner);
        let (ours, theirs) = (Forge::of(&server), Forge::stranger());
        client.with_token(&ours.sign(&header, &claims)).get("/auth/me").await.is(200);

        let none = with(header.clone(), "alg", json!("none"));
        is_invalid(&client, &format!("{}.", unsigned(&none, &claims)), "no signature").await;
        is_invalid(&client, &ours.sign(&none, &claims), "none, with a signature").await;
        is_invalid(&client, &format!("{}.", unsigned(&header, &claims)), "the signature left out").await;

        let hs256 = with(header.clone(), "alg", json!("HS256"));
        let encoded = URL_SAFE_NO_PAD.encode(ours.public_key());
        let key_set = client.get("//.well-known/jwks.json").await;
        let jwk = key_set.body["keys"][0].to_string();
        for secret in [ours.public_key(), encoded.as_bytes(), jwk.as_bytes(), key_set.text.as_bytes()] {
            is_invalid(&client, &sign_with_hmac(&hs256, &claims, secret), "a MAC by the public key").await;
        }

        is_invalid(&client, &theirs.sign(&header, &claims), "our kid, their key").await;
        for kid in ["", "other", "../../keys.env", "/dev/null", "' OR '1'='1", "file:///etc/passwd", "\u{0}"] {
            is_invalid(&client, &ours.sign(&with(header.clone(), "kid", json!(kid)), &claims), kid).await;
            is_invalid(&client, &theirs.sign(&with(header.clone(), "kid", json!(kid)), &claims), kid).await;
        }
        for (field, value) in [
            ("kid", Value::Null), ("kid", json!(1)), ("typ", Value::Null), ("typ", json!("JWT")),
            ("alg", json!("ES256")),
        ] {
            let what = format!("{field}: {value}");
            is_invalid(&client, &ours.sign(&with(header.clone(), field, value), &claims), &what).await;
        }
    }

    async fn tk1_keys_that_a_token_brings_along_are_not_looked_at(server: Server) {
        let acme = server.tenant("acme").await;
        let (header, claims) = parts_of(&acme.owner);
        let (ours, theirs) = (Forge::of(&server), Forge::stranger());
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let url = format!("http://{}/jwks.json", elsewhere.local_addr().unwrap());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(theirs.public_key()) });
        for (field, value) in [
            ("jwk", jwk), ("jku", json!(url)), ("x5u", json!(url)), ("x5c", json!(["MIIB"])), ("crit", json!(["exp"])),
        ] {
            let header = with(header.clone(), field, value);
            is_invalid(&server.client(), &theirs.sign(&header, &claims), field).await;
            is_invalid(&server.client(), &ours.sign(&header, &claims), field).await;
        }
        assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "a server was called");
    }

    async fn tk2_every_claim_is_there_and_of_its_type(server: Server) {
        let acme = server.tenant("acme").await;
        let other = server.tenant("other").await;
        let (header, claims) = parts_of(&acme.owner);
        let (_, others) = parts_of(&other.owner);
        let forge = Forge::of(&server);
        for claim in ["exp", "nbf", "iat", "iss", "aud", "sub", "sid", "rot", "jti", "tid"] {
            let without = with(claims.clone(), claim, Value::Null);
            is_invalid(&server.client(), &forge.sign(&header, &without), &format!("no {claim}")).await;
            for wrong in ["null", "true", "[]", "{}", "1.5", "-1", "1e30", "\"\"", "\"1\""] {
                let mut bad = claims.clone();
                bad[claim] = serde_json::from_str(wrong).unwrap();
                is_invalid(&server.client(), &forge.sign(&header, &bad), &format!("{claim}: {wrong}")).await;
            }
        }
        let list = json!([claims["aud"], "other"]);
        for (claim, value) in [
            ("aud", list), ("iss", json!("https://other.example")), ("admin", json!(true)),
            ("tid", others["tid"].clone()), ("sub", others["sub"].clone()),
        ] {
            is_invalid(&server.client(), &forge.sign(&header, &with(claims.clone(), claim, value)), claim).await;
        }
        let now = claims["iat"].as_i64().unwrap();
        let early = with(with(claims.clone(), "iat", json!(now + 60)), "nbf", json!(now + 60));
        is_invalid(&server.client(), &forge.sign(&header, &early), "from the future").await;
        let late = with(claims.clone(), "exp", json!(now - 1));
        server.client().with_token(&forge.sign(&header, &late)).get("/auth/me").await.refused(401, "token_expired");
        let nowhere = with(claims, "sid", json!("01890a5d-ac96-774b-bcce-b302099a8057"));
        server.client().with_token(&forge.sign(&header, &nowhere)).get("/auth/me").await.refused(401, "session_ended");
    }

    async fn tk2_a_cached_session_is_served_to_its_own_user_and_tenant_only(server: Server) {
        let acme = server.tenant("acme").await;
        let other = server.tenant("other").await;
        let (header, claims) = parts_of(&acme.owner);
        let (_, others) = parts_of(&other.owner);
        let forge = Forge::of(&server);
        for _ in 0..3 {
            acme.owner.get("/auth/me").await.is(200);
            for claim in ["tid", "sub"] {
                let forged = forge.sign(&header, &with(claims.clone(), claim, others[claim].clone()));
                is_invalid(&server.client(), &forged, claim).await;
            }
            let both = with(with(claims.clone(), "tid", others["tid"].clone()), "sub", others["sub"].clone());
            is_invalid(&server.client(), &forge.sign(&header, &both), "tid and sub").await;
        }
        acme.owner.get("/auth/me").await.is(200);
    }

    async fn tk3_every_token_works_in_its_own_place_only(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let page = owner.get("/roles?limit=1").await;
        let cursor = page.body["meta"]["nextCursor"].as_str().unwrap().to_owned();
        let (access, refresh) = (owner.access_token.clone().unwrap(), owner.refresh_token.clone());
        let anybody = server.client();
        for token in [&refresh, &cursor] {
            is_invalid(&anybody, token, "as an access token").await;
        }
        for token in [&access, &cursor] {
            anybody.post("/auth/refresh", json!({ "refreshToken": token })).await.refused(401, "token_invalid");
            let cookie = format!("__Host-tenantry_refresh={token}");
            let headers = [("cookie", cookie.as_str()), ("origin", &server.url())];
            anybody.send(Method::POST, "/auth/refresh", None, &headers).await.refused(401, "token_invalid");
            anybody.post("/auth/logout", json!({ "refreshToken": token })).await.is(204);
            anybody.send(Method::POST, "/auth/logout", None, &headers).await.is(204);
        }
        for token in [&refresh, &cursor] {
            anybody.with_token(token).send(Method::POST, "/auth/logout", None, &[]).await.is(204);
        }
        for token in [&access, &refresh] {
            owner.get(&format!("/roles?limit=1&cursor={token}")).await.refused(400, "invalid_cursor");
        }
        let file = owner.upload("a.json", "application/json", b"{}").await.is(201)["id"].as_str().unwrap().to_owned();
        let link = owner.post(&format!("/files/{file}/link"), json!({})).await.is(201)["url"].as_str().unwrap().to_owned();
        let link = link.rsplit('/').next().unwrap();
        for token in [&access, &refresh, &cursor] {
            anybody.get(&format!("/files/signed/{token}")).await.refused(404, "not_found");
        }
        is_invalid(&anybody, link, "as an access token").await;
        anybody.post("/auth/refresh", json!({ "refreshToken": link })).await.refused(401, "token_invalid");
        owner.get(&format!("/roles?limit=1&cursor={link}")).await.refused(400, "invalid_cursor");
        for (place, body) in LINK_PLACES {
            anybody.post(place, body(json!(link))).await.refused(422, "link_invalid");
        }
        assert_eq!(anybody.get(&format!("/files/signed/{link}")).await.bytes, b"{}");
        owner.get(&format!("/roles?limit=1&cursor={cursor}")).await.is(200);
        owner.get("/auth/me").await.is(200);
        anybody.post("/auth/refresh", json!({ "refreshToken": refresh })).await.is(200);
    }

    async fn tk4_tokens_are_not_taken_from_a_query_and_never_logged(server: Server) {
        let log = Log::captured();
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let (access, refresh) = (owner.access_token.clone().unwrap(), owner.refresh_token.clone());
        let anybody = server.client();
        for name in ["access_token", "accessToken", "token", "authorization", "bearer"] {
            anybody.get(&format!("/auth/me?{name}={access}")).await.refused(401, "unauthenticated");
        }
        for name in ["refreshToken", "refresh_token", "token"] {
            for route in ["refresh", "logout"] {
                let path = format!("/auth/{route}?{name}={refresh}");
                anybody.send(Method::POST, &path, None, &[]).await.refused(422, "validation_failed");
            }
        }
        owner.get("/auth/me").await.is(200);
        let body = json!({ "currentPassword": PASSWORD, "newPassword": "another-vivid-plank-8" });
        owner.post("/auth/password/change", body).await.is(204);
        let next = anybody.post("/auth/refresh", json!({ "refreshToken": refresh })).await.is(200);
        let cookie = format!("__Host-tenantry_refresh={}", next["refreshToken"].as_str().unwrap());
        let headers = [("cookie", cookie.as_str()), ("origin", &server.url())];
        anybody.send(Method::POST, "/auth/logout", None, &headers).await.is(204);

        let text = log.text();
        assert!(text.contains("a request was refused"), "the log is kept in every detail");
        for (secret, what) in [
            (access.as_str(), "the access token"),
            (refresh.as_str(), "the refresh token"),
            (next["accessToken"].as_str().unwrap(), "the next access token"),
            (next["refreshToken"].as_str().unwrap(), "the next refresh token"),
            (PASSWORD, "the password"),
            ("another-vivid-plank-8", "the new password"),
        ] {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{what} is logged: {}", line.unwrap_or_default());
        }
    }
}

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn tk3_every_link_works_in_its_own_place_only(server: Server) {
        let acme = server.confirmed_tenant("acme").await;
        let links = server.one_link_of_each(&acme).await;
        let (owner, nobody) = (&acme.owner, server.client());
        owner.post("/roles", json!({ "name": "one more", "permissions": [] })).await.is(201);
        let page = owner.get("/roles?limit=1").await;
        let cursor = page.body["meta"]["nextCursor"].as_str().unwrap().to_owned();
        let (access, refresh) = (owner.access_token.clone().unwrap(), owner.refresh_token.clone());
        let before = server.sql.dump().await;

        let others = [("access", &access), ("refresh", &refresh), ("cursor", &cursor)];
        for (name, token) in links.iter().map(|link| (link.name, &link.token)).chain(others) {
            for (path, _) in LINK_PLACES {
                let own = links.iter().any(|link| link.name == name && link.path == path);
                if own || (name == "invite" && path == "/invitations/lookup") {
                    continue;
                }
                for client in [&nobody, &owner.client] {
                    let reply = client.post(path, body_for(path, json!(token))).await;
                    assert_eq!(reply.status, 422, "{name} at {path}: {}", reply.text);
                    reply.refused(422, "link_invalid");
                }
            }
        }
        for Linked { name, token, .. } in &links {
            is_invalid(&nobody, token, name).await;
            nobody.post("/auth/refresh", json!({ "refreshToken": token })).await.refused(401, "token_invalid");
            let cookie = format!("__Host-tenantry_refresh={token}");
            let headers = [("cookie", cookie.as_str()), ("origin", &server.url())];
            nobody.send(Method::POST, "/auth/refresh", None, &headers).await.refused(401, "token_invalid");
            nobody.post("/auth/logout", json!({ "refreshToken": token })).await.is(204);
            nobody.with_token(token).send(Method::POST, "/auth/logout", None, &[]).await.is(204);
            let switch = json!({ "tenantId": acme.id, "refreshToken": token });
            owner.post("/auth/switch", switch).await.refused(401, "token_invalid");
            owner.get(&format!("/roles?limit=1&cursor={token}")).await.refused(400, "invalid_cursor");
            let key = json!({ "email": owner.email, "password": token });
            nobody.post("/auth/login", key).await.refused(401, "invalid_credentials");
        }
        let after = server.sql.dump().await;
        for (table, rows) in before.iter().filter(|(table, _)| !table.starts_with("journal")) {
            assert_eq!(&after[table], rows, "{table} has changed");
        }
        for link in &links {
            let reply = nobody.post(link.path, link.body()).await;
            assert!(reply.status.is_success(), "{}: {}", link.name, reply.text);
        }
    }
}
