//! Access tokens, by EdDSA; and the forgeries that must not pass.

use adapter_crypto::{EddsaSigner, Key, KeyRing, KeyState, SigningKey, TokenNames};
use auth::TokenRefusal;
use auth::ports::TokenSigner;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};
use serde_json::{Value, json};
use tests::contract::people::START;
use tests::contract::token_signer::{self as suite, claims};

const OURS: u8 = 1;
const NEXT: u8 = 2;
const OLD: u8 = 3;
const STRANGER: u8 = 9;

fn seed(byte: u8) -> Key {
    SecretBox::new(Box::new([byte; 32]))
}

fn names() -> TokenNames {
    TokenNames { issuer: "jixia".to_owned(), audience: "jixia-api".to_owned() }
}

fn signer() -> EddsaSigner {
    EddsaSigner::new(KeyRing::from_seeds(&seed(OURS), Some(&seed(NEXT)), &[seed(OLD)]).unwrap(), names())
}

#[test]
fn claims_survive_the_token() {
    suite::claims_survive_the_token(&signer());
}

#[test]
fn a_token_is_over_at_its_end_and_not_before() {
    suite::a_token_is_over_at_its_end_and_not_before(&signer());
}

#[test]
fn a_changed_token_is_invalid_and_never_expired() {
    suite::a_changed_token_is_invalid_and_never_expired(&signer());
}

#[test]
fn what_is_no_token_is_invalid() {
    suite::what_is_no_token_is_invalid(&signer());
}

#[test]
fn a_key_is_accepted_in_every_state_and_signs_in_one() {
    let alone = |byte| EddsaSigner::new(KeyRing::from_seeds(&seed(byte), None, &[]).unwrap(), names());
    for byte in [OURS, NEXT, OLD] {
        let token = alone(byte).sign(&claims()).unwrap();
        assert_eq!(signer().verify(token.expose_secret(), START), Ok(claims()));
    }
    let foreign = alone(STRANGER).sign(&claims()).unwrap();
    assert_eq!(signer().verify(foreign.expose_secret(), START), Err(TokenRefusal::Invalid));
    let ours = signer().sign(&claims()).unwrap();
    assert!(alone(OURS).verify(ours.expose_secret(), START).is_ok());
    assert!(alone(NEXT).verify(ours.expose_secret(), START).is_err());
}

#[test]
fn the_header_names_algorithm_kind_and_key_and_the_claims_are_all_there() {
    let token = signer().sign(&claims()).unwrap();
    let (header, payload) = parts(token.expose_secret());
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    assert!(header["kid"].is_string());
    for claim in ["typ", "iss", "aud", "sub", "sid", "jti", "iat", "exp", "role"] {
        assert!(!payload[claim].is_null(), "{claim}");
    }
    assert_eq!(payload["exp"].as_i64().unwrap() - payload["iat"].as_i64().unwrap(), 900);
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of these texts with the signature of a key of ours or a stranger's.
fn signed(byte: u8, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let key = Ed25519KeyPair::from_seed_unchecked(seed(byte).expose_secret()).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hs256(secret: &[u8], header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())))
}

fn public_key(byte: u8) -> Vec<u8> {
    let key = Ed25519KeyPair::from_seed_unchecked(seed(byte).expose_secret()).unwrap();
    key.public_key().as_ref().to_vec()
}

/// The public key as everybody could download it.
fn public_pem(byte: u8) -> String {
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der = [prefix.as_slice(), &public_key(byte)].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// A good token's header and claims, to be spoiled.
struct Good {
    header: Value,
    payload: Value,
}

impl Good {
    fn new() -> Self {
        let token = signer().sign(&claims()).unwrap();
        let (header, payload) = parts(token.expose_secret());
        Self { header, payload }
    }

    fn signed(&self, byte: u8) -> String {
        signed(byte, &self.header.to_string(), &self.payload.to_string())
    }

    fn with_header(mut self, name: &str, value: Value) -> Self {
        self.header[name] = value;
        self
    }

    fn with_claim(mut self, name: &str, value: Value) -> Self {
        self.payload[name] = value;
        self
    }

    fn without_header(mut self, name: &str) -> Self {
        self.header.as_object_mut().unwrap().remove(name);
        self
    }

    fn without_claim(mut self, name: &str) -> Self {
        self.payload.as_object_mut().unwrap().remove(name);
        self
    }
}

fn kid(byte: u8) -> Value {
    let alone = EddsaSigner::new(KeyRing::from_seeds(&seed(byte), None, &[]).unwrap(), names());
    parts(alone.sign(&claims()).unwrap().expose_secret()).0["kid"].clone()
}

/// Forged by the algorithm: nobody needs our key for these.
fn forged_algorithms() -> Vec<(String, String)> {
    let mut forged = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let good = Good::new().with_header("alg", json!(alg));
        let message = format!("{}.{}", encoded(&good.header.to_string()), encoded(&good.payload.to_string()));
        forged.push((format!("alg {alg:?} without a signature"), format!("{message}.")));
        forged.push((format!("alg {alg:?} with a stranger's signature"), good.signed(STRANGER)));
    }
    let secrets = [
        ("the public key", public_key(OURS)),
        ("the public PEM", public_pem(OURS).into_bytes()),
        ("nothing", Vec::new()),
        ("the key's id", kid(OURS).as_str().unwrap().as_bytes().to_vec()),
    ];
    for (name, secret) in secrets {
        for alg in ["HS256", "EdDSA"] {
            let good = Good::new().with_header("alg", json!(alg));
            let token = hs256(&secret, &good.header.to_string(), &good.payload.to_string());
            forged.push((format!("HMAC with {name}, named {alg}"), token));
        }
    }
    for alg in ["ES256", "RS256", "HS512", "PS256", "eddsa"] {
        forged.push((
            format!("our signature, named {alg}"),
            Good::new().with_header("alg", json!(alg)).signed(OURS),
        ));
    }
    forged.push(("no alg".to_owned(), Good::new().without_header("alg").signed(OURS)));
    forged
}

/// Forged by the key.
fn forged_keys() -> Vec<(String, String)> {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public_key(STRANGER))});
    let strange_kid = kid(STRANGER);
    let forge = |name: &str, token: String| (name.to_owned(), token);
    vec![
        forge("a stranger's key under our id", Good::new().signed(STRANGER)),
        forge(
            "a stranger's key under its own id",
            Good::new().with_header("kid", strange_kid).signed(STRANGER),
        ),
        forge("our next key under the active id", Good::new().signed(NEXT)),
        forge("the active key under the next id", Good::new().with_header("kid", kid(NEXT)).signed(OURS)),
        forge("no kid", Good::new().without_header("kid").signed(OURS)),
        forge("kid null", Good::new().with_header("kid", json!(null)).signed(OURS)),
        forge("kid a number", Good::new().with_header("kid", json!(1)).signed(OURS)),
        forge("kid a path", Good::new().with_header("kid", json!("../../../../dev/null")).signed(STRANGER)),
        forge("kid an injection", Good::new().with_header("kid", json!("x' OR '1'='1")).signed(STRANGER)),
        forge("its own jwk", Good::new().with_header("jwk", jwk).signed(STRANGER)),
        forge("its own jku", Good::new().with_header("jku", json!("http://127.0.0.1/jwks")).signed(STRANGER)),
        forge("its own x5u", Good::new().with_header("x5u", json!("http://127.0.0.1/c")).signed(STRANGER)),
        forge("its own x5c", Good::new().with_header("x5c", json!(["AAAA"])).signed(STRANGER)),
        forge("crit", Good::new().with_header("crit", json!(["exp"])).signed(OURS)),
    ]
}

/// Tokens that our key signed and that are none all the same: other kinds, missing or strange claims.
fn wrong_contents() -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    for typ in [json!("JWT"), json!("rt+jwt"), json!("at+jwt "), json!(null), json!(1)] {
        wrong.push((format!("header typ {typ}"), Good::new().with_header("typ", typ).signed(OURS)));
    }
    wrong.push(("no header typ".to_owned(), Good::new().without_header("typ").signed(OURS)));
    let claims = [
        (
            "exp",
            vec![
                json!("1790000900"),
                json!(null),
                json!(1.5e9),
                json!(-1),
                json!(0),
                json!([1_790_000_900]),
                json!(true),
                json!(1e30),
            ],
        ),
        ("iat", vec![json!("1790000000"), json!(null), json!(i64::MAX)]),
        ("aud", vec![json!("other"), json!(["jixia-api"]), json!(["other"]), json!(null), json!("")]),
        ("iss", vec![json!("other"), json!(["jixia"]), json!(null), json!("JIXIA")]),
        ("typ", vec![json!("refresh"), json!(null), json!("")]),
        ("sub", vec![json!("1"), json!(null), json!(7), json!("")]),
        ("sid", vec![json!("../x"), json!(null)]),
        ("jti", vec![json!(""), json!(null)]),
        ("role", vec![json!("root"), json!("Admin"), json!(null), json!(["admin"])]),
    ];
    for (claim, values) in claims {
        wrong.push((format!("no {claim}"), Good::new().without_claim(claim).signed(OURS)));
        for value in values {
            wrong.push((format!("{claim} {value}"), Good::new().with_claim(claim, value).signed(OURS)));
        }
    }
    let header = Good::new().header.to_string();
    for payload in ["", "null", "[]", "{}", "\"x\"", "{", "\u{feff}{}"] {
        wrong.push((format!("payload {payload:?}"), signed(OURS, &header, payload)));
    }
    let twice = Good::new().payload.to_string().replacen('{', r#"{"exp":9999999999,"#, 1);
    wrong.push(("exp twice".to_owned(), signed(OURS, &header, &twice)));
    wrong
}

/// A good token that was cut, padded, doubled or wrapped.
fn wrong_forms() -> Vec<(String, String)> {
    let good = Good::new().signed(OURS);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let forms = [
        ("no signature", message.to_owned()),
        ("an empty signature", format!("{message}.")),
        ("half a signature", format!("{message}.{}", URL_SAFE_NO_PAD.encode(&bytes[..32]))),
        (
            "a longer signature",
            format!("{message}.{}", URL_SAFE_NO_PAD.encode([bytes.as_slice(), b"x"].concat())),
        ),
        ("a zero signature", format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        ("a padded signature", format!("{message}.{}", URL_SAFE.encode(&bytes))),
        ("a fourth part", format!("{good}.{signature}")),
        ("a blank before", format!(" {good}")),
        ("a line end after", format!("{good}\n")),
        ("its scheme with it", format!("Bearer {good}")),
        ("cut", good.get(..good.len() - 2).unwrap().to_owned()),
        ("a refresh token", format!("jxr1.{}", URL_SAFE_NO_PAD.encode([1; 52]))),
        ("in JSON", json!({"token": good}).to_string()),
    ];
    forms.map(|(name, token)| (name.to_owned(), token)).into()
}

#[test]
fn the_forger_s_tools_make_a_good_token_when_nothing_is_spoiled() {
    assert_eq!(signer().verify(&Good::new().signed(OURS), START), Ok(claims()));
}

#[test]
fn every_forged_token_is_refused() {
    let forged = [forged_algorithms(), forged_keys(), wrong_contents(), wrong_forms()].concat();
    assert!(forged.len() >= 80, "{}", forged.len());
    for (name, token) in forged {
        assert_eq!(signer().verify(&token, START), Err(TokenRefusal::Invalid), "{name}");
    }
}

#[test]
fn a_ring_of_a_pem_verifies_what_it_signs() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----";
    let key = SigningKey::from_pkcs8(KeyState::Active, &pem.into()).unwrap();
    suite::claims_survive_the_token(&EddsaSigner::new(KeyRing::new(vec![key]).unwrap(), names()));
}
