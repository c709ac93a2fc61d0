use jsonwebtoken::{EncodingKey, crypto};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tenantry_kernel::{SessionId, TenantId, UserId};

use super::*;
use crate::SystemEntropy;

/// The keys of RFC 8037: A.1 as PKCS#8, and A.3.
const RFC_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
const RFC_KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
const RFC_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ISSUER: &str = "https://api.example.com";

/// The token of [`claims`] under the key of RFC 8037, computed with Python's cryptography.
const STORED: &str = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ\
    .eyJpc3MiOiJodHRwczovL2FwaS5leGFtcGxlLmNvbSIsImF1ZCI6Imh0dHBzOi8vYXBpLmV4YW1wbGUuY29tIiwic3ViIjoiMDE5MmYwYzEtMjM0NS03YWJj\
    LThkZWYtMDEyMzQ1Njc4OWFiIiwic2lkIjoiMDE5MmYwYzEtMjM0NS03YWJjLThkZWYtMDEyMzQ1Njc4OWFjIiwidGlkIjoiMDE5MmYwYzEtMjM0NS03YWJj\
    LThkZWYtMDEyMzQ1Njc4OWFkIiwicm90Ijo3LCJqdGkiOiIzZjJhMWIwYy05ZDhlLTRmNzAtYTFiMi1jM2Q0ZTVmNjA3MTgiLCJpYXQiOjE3MDAwMDAwMDAs\
    Im5iZiI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAwOTAwfQ\
    .D-M4JmZ5d2ewGCgaFRbsE8SkUBvjfLFMJAer_j_2v8rfiBbkrVB6VNcZchzJKUdTXmKjPE0qzCg3t4iwuPRQBw";

static TOKENS: LazyLock<JwtTokens> = LazyLock::new(|| tokens(&[RFC_KEY.into()]));

fn tokens(keys: &[SecretString]) -> JwtTokens {
    JwtTokens::new(SigningKeys::parse(keys).unwrap(), ISSUER, ISSUER)
}

fn claims() -> AccessClaims {
    let id = |last: u8| Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_8900 + u128::from(last));
    AccessClaims {
        user: UserId::from_uuid(id(0xab)),
        session: SessionId::from_uuid(id(0xac)),
        tenant: Some(TenantId::from_uuid(id(0xad))),
        rotation: 7,
        token: Uuid::from_u128(0x3f2a_1b0c_9d8e_4f70_a1b2_c3d4_e5f6_0718),
        issued_at: 1_700_000_000,
        expires_at: 1_700_000_900,
    }
}

fn good_header() -> Value {
    json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": RFC_KID })
}

fn good_claims() -> Value {
    let payload = STORED.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Signs any header and payload with the key of the tests.
fn signed(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = &TOKENS.keys.current().private;
    let signature = crypto::sign(message.as_bytes(), key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

/// Returns the valid object with one field replaced, or removed by `None`.
fn with(good: Value, name: &str, value: Option<Value>) -> String {
    let Value::Object(mut fields) = good else { panic!("not an object") };
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    Value::Object(fields).to_string()
}

fn verify(token: &str) -> Result<AccessClaims, TokenError> {
    TOKENS.verify(token)
}

fn with_header(name: &str, value: Option<Value>) -> Result<AccessClaims, TokenError> {
    verify(&signed(&with(good_header(), name, value), &good_claims().to_string()))
}

fn with_claim(name: &str, value: Option<Value>) -> Result<AccessClaims, TokenError> {
    verify(&signed(&good_header().to_string(), &with(good_claims(), name, value)))
}

const REFUSED: Result<AccessClaims, TokenError> = Err(TokenError::Invalid);

#[test]
fn the_stored_token_is_made_and_read_to_the_byte() {
    assert_eq!(TOKENS.sign(&claims()).expose_secret(), STORED);
    assert_eq!(verify(STORED), Ok(claims()));
}

#[test]
fn what_is_signed_can_be_read_with_and_without_a_tenant_and_whatever_the_time() {
    for changed in [
        AccessClaims { tenant: None, ..claims() },
        AccessClaims { issued_at: 0, expires_at: 1, rotation: u32::MAX, ..claims() },
        AccessClaims { issued_at: 4_000_000_000, expires_at: Claims::MAX_SECONDS, ..claims() },
    ] {
        assert_eq!(verify(TOKENS.sign(&changed).expose_secret()), Ok(changed));
    }
}

#[test]
fn the_tables_below_start_from_a_good_token() {
    assert_eq!(with_header("typ", Some(json!("at+jwt"))), Ok(claims()));
    assert_eq!(with_claim("rot", Some(json!(7))), Ok(claims()));
    assert_eq!(with_claim("tid", None), Ok(AccessClaims { tenant: None, ..claims() }));
}

#[test]
fn tk1_other_algorithms_are_refused() {
    for alg in ["none", "None", "NONE", "HS256", "HS512", "RS256", "ES256", "PS256", "Ed25519", "eddsa", "EDDSA", ""] {
        assert_eq!(with_header("alg", Some(json!(alg))), REFUSED, "{alg}");
    }
    let (message, _) = STORED.rsplit_once('.').unwrap();
    let (_, payload) = message.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(with(good_header(), "alg", Some(json!("none"))));
    for token in [format!("{none}.{payload}."), format!("{none}.{payload}"), format!("{message}."), message.to_owned()]
    {
        assert_eq!(verify(&token), REFUSED, "{token}");
    }
}

#[test]
fn tk1_hs256_with_the_public_key_is_refused() {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(TYPE.into());
    header.kid = Some(RFC_KID.into());
    let public = URL_SAFE_NO_PAD.decode(RFC_PUBLIC).unwrap();
    let jwk = TOKENS.keys.jwks()["keys"][0].to_string();
    for secret in [public.as_slice(), RFC_PUBLIC.as_bytes(), jwk.as_bytes()] {
        let token = jsonwebtoken::encode(&header, &good_claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(verify(&token), REFUSED);
    }
}

#[test]
fn tk1_hs256_signatures_under_our_own_header_are_refused() {
    let message = STORED.rsplit_once('.').unwrap().0;
    let public = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(RFC_PUBLIC).unwrap());
    let signature = crypto::sign(message.as_bytes(), &public, Algorithm::HS256).unwrap();
    assert_eq!(verify(&format!("{message}.{signature}")), REFUSED);
}

#[test]
fn tk1_a_foreign_or_odd_kid_is_refused() {
    for kid in [
        "",
        "0",
        "foreign",
        "../../../../etc/passwd",
        "/dev/null",
        "file:///etc/passwd",
        "https://evil.example/jwks.json",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' --",
        "key\u{0}",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k ",
        "KPRK_QMXVWAYVA9WWBF6IUO3VVZZ7TXHCTWXBYGRS4K",
    ] {
        assert_eq!(with_header("kid", Some(json!(kid))), REFUSED, "{kid:?}");
    }
    for kid in [None, Some(Value::Null), Some(json!(0)), Some(json!([RFC_KID])), Some(json!({ "kid": RFC_KID }))] {
        assert_eq!(with_header("kid", kid.clone()), REFUSED, "{kid:?}");
    }
}

#[test]
fn tk1_another_key_under_our_kid_is_refused() {
    let foreign = tokens(&[SigningKeys::generate_one(&SystemEntropy)]);
    assert_eq!(verify(foreign.sign(&claims()).expose_secret()), REFUSED);
    let message = STORED.rsplit_once('.').unwrap().0;
    let signature = crypto::sign(message.as_bytes(), &foreign.keys.current().private, Algorithm::EdDSA).unwrap();
    assert_eq!(verify(&format!("{message}.{signature}")), REFUSED);
}

#[test]
fn tk1_headers_that_bring_or_point_to_a_key_or_demand_anything_are_refused() {
    let jwk = TOKENS.keys.jwks()["keys"][0].clone();
    for (name, value) in [
        ("jwk", jwk),
        ("jwk", Value::Null),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jku", Value::Null),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5u", Value::Null),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("cty", json!("JWT")),
        ("url", json!("https://evil.example")),
        ("anything", json!(1)),
    ] {
        assert_eq!(with_header(name, Some(value)), REFUSED, "{name}");
    }
}

#[test]
fn tk1_other_types_of_token_are_refused() {
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "logout+jwt", ""] {
        assert_eq!(with_header("typ", Some(json!(typ))), REFUSED, "{typ}");
    }
    for typ in [None, Some(Value::Null), Some(json!(1)), Some(json!(["at+jwt"]))] {
        assert_eq!(with_header("typ", typ.clone()), REFUSED, "{typ:?}");
    }
}

#[test]
fn tk1_headers_that_say_a_thing_twice_or_are_no_object_are_refused() {
    let claims = good_claims().to_string();
    for header in [
        format!(r#"{{"typ":"at+jwt","alg":"none","alg":"EdDSA","kid":"{RFC_KID}"}}"#),
        format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"foreign","kid":"{RFC_KID}"}}"#),
        format!(r#"["at+jwt","EdDSA","{RFC_KID}"]"#),
        format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{RFC_KID}"}}x"#),
        "null".into(),
        "{}".into(),
        String::new(),
        "{".repeat(1000),
        "[".repeat(1000),
    ] {
        assert_eq!(verify(&signed(&header, &claims)), REFUSED, "{header}");
    }
}

#[test]
fn tk1_only_the_exact_bytes_that_were_signed_pass() {
    let parts: Vec<&str> = STORED.split('.').collect();
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{STORED}="),
        format!("{STORED} "),
        format!(" {STORED}"),
        format!("{STORED}\n"),
        format!("{STORED}."),
        format!(".{STORED}"),
        format!("Bearer {STORED}"),
        format!("{STORED}.{}", parts[2]),
        format!("{}.{STORED}", parts[0]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}", parts[1], parts[2]),
        STORED.replace('-', "+").replace('_', "/"),
        STORED.to_lowercase(),
        // the last character carries four unused bits: another character could decode to the same signature
        format!("{}x", STORED.strip_suffix('w').unwrap()),
    ] {
        assert_eq!(verify(&token), REFUSED, "{token}");
    }
}

#[test]
fn tk1_a_token_that_is_too_long_is_refused_unread() {
    let padded =
        |spaces: usize| signed(&good_header().to_string(), &format!("{}{}", " ".repeat(spaces), good_claims()));
    let short = padded(300);
    let long = padded(1200);
    assert!(short.len() <= JwtTokens::MAX_BYTES && long.len() > JwtTokens::MAX_BYTES);
    assert_eq!(verify(&short), Ok(claims()));
    assert_eq!(verify(&long), REFUSED);
    assert_eq!(verify(&"a".repeat(1 << 20)), REFUSED);
}

#[test]
fn the_longest_issuer_and_audience_of_the_configuration_still_fit() {
    let long = format!("https://{}.example:65535", "a".repeat(253));
    let audience = "\"".repeat(255);
    let keys = SigningKeys::parse(&[RFC_KEY.into()]).unwrap();
    let tokens = JwtTokens::new(keys, long, audience);
    assert_eq!(tokens.verify(tokens.sign(&claims()).expose_secret()), Ok(claims()));
}

#[test]
fn tk2_every_claim_is_required_and_no_other_is_taken() {
    for name in ["exp", "nbf", "iat", "iss", "aud", "sub", "sid", "rot", "jti"] {
        assert_eq!(with_claim(name, None), REFUSED, "{name}");
        assert_eq!(with_claim(name, Some(Value::Null)), REFUSED, "{name}");
    }
    for name in ["scope", "role", "permissions", "azp", "EXP", "cnf"] {
        assert_eq!(with_claim(name, Some(json!("x"))), REFUSED, "{name}");
    }
}

#[test]
fn tk2_times_and_rotation_are_whole_numbers() {
    for name in ["exp", "nbf", "iat", "rot"] {
        let good = good_claims()[name].clone();
        for bad in [
            json!(good.to_string()),
            json!(""),
            json!(true),
            json!([good]),
            json!({ "value": good }),
            json!(good.as_f64().unwrap()),
            json!(good.as_f64().unwrap() + 0.5),
            json!(-1),
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
        ] {
            assert_eq!(with_claim(name, Some(bad.clone())), REFUSED, "{name} {bad}");
        }
        for raw in
            ["1e3", "1.7e9", "-0", "-0.0", "99999999999999999999", "1e400", "-1e400", "NaN", "Infinity", "0x10", "07"]
        {
            let payload = with(good_claims(), name, Some(json!("RAW"))).replace("\"RAW\"", raw);
            assert_eq!(verify(&signed(&good_header().to_string(), &payload)), REFUSED, "{name} {raw}");
        }
    }
    assert_eq!(with_claim("rot", Some(json!(1_u64 << 32))), REFUSED);
    assert_eq!(with_claim("exp", Some(json!(Claims::MAX_SECONDS + 1))), REFUSED);
}

#[test]
fn tk2_a_token_begins_at_most_five_seconds_before_it_was_issued() {
    for early in 0..=5 {
        assert_eq!(with_claim("nbf", Some(json!(1_700_000_000 - early))), Ok(claims()), "{early}");
        let late = AccessClaims { issued_at: 1_700_000_000 + early, ..claims() };
        assert_eq!(with_claim("iat", Some(json!(late.issued_at))), Ok(late), "{early}");
    }
    for seconds in [0, 1_699_999_994, 1_700_000_001] {
        assert_eq!(with_claim("nbf", Some(json!(seconds))), REFUSED, "{seconds}");
    }
    for seconds in [0, 1_699_999_999, 1_700_000_006] {
        assert_eq!(with_claim("iat", Some(json!(seconds))), REFUSED, "{seconds}");
    }
}

#[test]
fn tk2_issuer_and_audience_are_ours_alone() {
    for name in ["iss", "aud"] {
        for bad in [
            json!("https://api.example.com/"),
            json!("https://API.example.com"),
            json!("https://evil.example"),
            json!(""),
            json!([ISSUER]),
            json!([ISSUER, "https://evil.example"]),
            json!([]),
            json!({ "0": ISSUER }),
            json!(1),
            json!(true),
        ] {
            assert_eq!(with_claim(name, Some(bad.clone())), REFUSED, "{name} {bad}");
        }
    }
    let other_audience = JwtTokens::new(SigningKeys::parse(&[RFC_KEY.into()]).unwrap(), ISSUER, "mobile");
    assert_eq!(other_audience.verify(STORED), REFUSED);
    assert_eq!(verify(other_audience.sign(&claims()).expose_secret()), REFUSED);
}

#[test]
fn tk2_ids_are_canonical_uuids() {
    for name in ["sub", "sid", "tid", "jti"] {
        let good = good_claims()[name].as_str().unwrap().to_owned();
        for bad in [
            json!(good.to_uppercase()),
            json!(good.replace('-', "")),
            json!(format!("{{{good}}}")),
            json!(format!("urn:uuid:{good}")),
            json!(format!("{good} ")),
            json!(""),
            json!("1"),
            json!("' OR '1'='1"),
            json!("../../etc/passwd"),
            json!([good]),
            json!({ "id": good }),
            json!(1),
            json!(1.5),
            json!(true),
            Value::Null,
        ] {
            assert_eq!(with_claim(name, Some(bad.clone())), REFUSED, "{name} {bad}");
        }
    }
    for name in ["sub", "sid", "tid"] {
        assert_eq!(
            with_claim(name, Some(json!("0192f0c1-2345-4abc-8def-0123456789ab"))),
            REFUSED,
            "{name} of version 4"
        );
    }
}

#[test]
fn tk2_claims_that_say_a_thing_twice_or_are_no_object_are_refused() {
    let good = good_claims().to_string();
    let values: Vec<Value> = ["iss", "aud", "sub", "sid", "tid", "rot", "jti", "iat", "nbf", "exp"]
        .map(|name| good_claims()[name].clone())
        .into();
    for payload in [
        good.replacen('{', r#"{"exp":9999999999,"#, 1),
        good.replacen('{', r#"{"tid":"0192f0c1-2345-7abc-8def-0123456789ab","#, 1),
        json!(values).to_string(),
        json!([good_claims()]).to_string(),
        format!("{good}{good}"),
        format!("{good}x"),
        "null".into(),
        "0".into(),
        String::new(),
        "{\"a\":".repeat(200),
    ] {
        assert_eq!(verify(&signed(&good_header().to_string(), &payload)), REFUSED, "{payload}");
    }
}

#[test]
fn tokens_of_every_live_key_are_read_and_of_a_dropped_one_no_more() {
    let [old, new] = [(); 2].map(|()| SigningKeys::generate_one(&SystemEntropy));
    let before = tokens(std::slice::from_ref(&old));
    let published = tokens(&[old.clone(), new.clone()]);
    let moved = tokens(&[new.clone(), old.clone()]);
    let dropped = tokens(&[new]);

    let old_token = before.sign(&claims());
    let new_token = moved.sign(&claims());
    assert_eq!(old_token.expose_secret(), published.sign(&claims()).expose_secret());
    assert_eq!(new_token.expose_secret(), dropped.sign(&claims()).expose_secret());
    for tokens in [&published, &moved] {
        assert_eq!(tokens.verify(old_token.expose_secret()), Ok(claims()));
        assert_eq!(tokens.verify(new_token.expose_secret()), Ok(claims()));
    }
    assert_eq!(before.verify(new_token.expose_secret()), REFUSED);
    assert_eq!(dropped.verify(old_token.expose_secret()), REFUSED);
}

proptest! {
    #[test]
    fn tk1_no_text_makes_verify_panic(text in any::<String>(), a in "[A-Za-z0-9_-]{0,40}", b in "[A-Za-z0-9_-]{0,40}") {
        prop_assert_eq!(verify(&text), REFUSED);
        prop_assert_eq!(verify(&format!("{a}.{b}.{text}")), REFUSED);
    }

    #[test]
    fn tk1_a_changed_byte_breaks_the_token(at in 0..STORED.len(), byte in 1_u8..128) {
        let mut bytes = STORED.as_bytes().to_vec();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert_eq!(verify(std::str::from_utf8(&bytes).unwrap()), REFUSED);
    }

    #[test]
    fn tk2_no_signed_payload_makes_verify_panic(payload in any::<String>(), name in "exp|nbf|iat|iss|aud|sub|sid|tid|rot|jti", text in any::<String>()) {
        prop_assert_eq!(verify(&signed(&good_header().to_string(), &payload)), REFUSED);
        prop_assert_eq!(with_claim(&name, Some(json!(text))), REFUSED);
    }
}
