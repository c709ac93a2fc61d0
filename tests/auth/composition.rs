//! Tests that a password is the same whether its letters are typed composed or decomposed.

use serde_json::json;
use tenantry_crypto::{Argon2Parameters, Argon2Pool};
use tenantry_identity::{PasswordHasher, TypedPassword};

use crate::support::{PASSWORD, Server};

const COMPOSED: &str = "caf\u{e9} velours nuage \u{e9}cru";
const DECOMPOSED: &str = "cafe\u{301} velours nuage e\u{301}cru";
const MIXED: &str = "caf\u{e9} velours nuage e\u{301}cru";

/// Stores the hash of exactly this text, as older versions did.
async fn store_as_typed(server: &Server, table: &str, text: &str) -> String {
    let typed = TypedPassword::parse(text.to_owned().into()).unwrap();
    let form = typed.forms().iter().find(|form| form.bytes() == text.as_bytes()).unwrap();
    let pool = Argon2Pool::new(Argon2Parameters { memory_kib: 8, iterations: 1 }, 1, 1).unwrap();
    let hash = pool.hash(form.clone()).await.unwrap();
    server.sql.execute(&format!("UPDATE {table} SET hash = '{}'", hash.phc())).await;
    hash.phc().to_owned()
}

async fn stored(server: &Server) -> (String, i64) {
    let hash = server.sql.texts("SELECT hash FROM credentials").await.remove(0);
    (hash, server.sql.number("SELECT version FROM credentials").await)
}

on_both_databases! {
    async fn a_new_password_is_typed_in_any_composition(server: Server) {
        let client = server.client();
        let body = json!({ "email": "a@a.example", "password": DECOMPOSED, "name": "A", "tenantName": "A" });
        client.post("/auth/register", body).await.is(201);
        let before = stored(&server).await;
        for typed in [COMPOSED, DECOMPOSED, MIXED] {
            client.post("/auth/login", json!({ "email": "a@a.example", "password": typed })).await.is(200);
        }
        let wrong = json!({ "email": "a@a.example", "password": COMPOSED.replace('\u{e9}', "e") });
        client.post("/auth/login", wrong).await.refused(401, "invalid_credentials");
        assert_eq!(stored(&server).await, before, "the hash is of NFC already");
    }

    async fn an_old_hash_fits_in_any_composition_and_is_renewed(server: Server) {
        let owner = server.verified_tenant("acme").await.owner;
        let (_, version) = stored(&server).await;
        let sign_in = async |typed: &str| {
            server.client().post("/auth/login", json!({ "email": owner.email, "password": typed })).await
        };
        for (hashed, typed, other) in [
            (DECOMPOSED, COMPOSED, DECOMPOSED),
            (DECOMPOSED, DECOMPOSED, COMPOSED),
            (MIXED, MIXED, COMPOSED),
            (COMPOSED, DECOMPOSED, COMPOSED),
        ] {
            let before = store_as_typed(&server, "credentials", hashed).await;
            sign_in(typed).await.is(200);
            let renewed = stored(&server).await;
            assert_eq!((renewed.0 == before, renewed.1), (hashed == COMPOSED, version), "{hashed} {typed}");
            sign_in(other).await.is(200);
            assert_eq!(stored(&server).await, renewed);
        }
        // Every other request with a password renews the hash too.
        let before = store_as_typed(&server, "credentials", DECOMPOSED).await;
        let body = json!({ "newEmail": "new@acme.example", "currentPassword": COMPOSED });
        owner.post("/auth/email/change", body).await.is(202);
        assert_ne!(stored(&server).await.0, before);
        let mail = server.mail("new@acme.example", "Confirm your new email address").await;
        let before = store_as_typed(&server, "credentials", DECOMPOSED).await;
        let body = json!({ "token": mail.token(), "password": COMPOSED });
        server.client().post("/auth/email/verify", body).await.is(204);
        assert_eq!((stored(&server).await.0 == before, stored(&server).await.1), (false, version));
        store_as_typed(&server, "credentials", DECOMPOSED).await;
        let body = json!({ "currentPassword": COMPOSED, "newPassword": PASSWORD });
        owner.post("/auth/password/change", body).await.is(204);
        assert_eq!(stored(&server).await.1, version + 1);
    }

    async fn an_invitation_is_accepted_in_any_composition(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let invited = server.verified_tenant("other").await.owner;
        let mail = server.invite(&acme, &invited.email, "viewer").await;
        store_as_typed(&server, "credentials", DECOMPOSED).await;
        let body = json!({ "token": mail.token(), "password": COMPOSED });
        server.client().post("/invitations/accept", body).await.is(200);
        let hashes = server.sql.number("SELECT count(DISTINCT hash) FROM credentials").await;
        assert_eq!(hashes, 2, "the hash of who accepted is renewed");
    }
}

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn an_open_registration_is_confirmed_in_any_composition(server: Server) {
        let mail = server.registers("vera@vera.example", "vera").await;
        let before = store_as_typed(&server, "registrations", DECOMPOSED).await;
        let body = json!({ "token": mail.token(), "password": COMPOSED });
        server.client().post("/auth/register/confirm", body).await.is(201);
        let (hash, version) = stored(&server).await;
        assert_eq!((hash == before, version), (false, 1));
        let body = json!({ "email": "vera@vera.example", "password": DECOMPOSED });
        server.client().post("/auth/login", body).await.is(200);
        assert_eq!(stored(&server).await.0, hash);
    }
}
