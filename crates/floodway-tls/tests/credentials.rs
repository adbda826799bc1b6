//! Certificates and keys as people have them, and what is said about those that are of no use.
//!
//! The keys in `keys/` were made for these tests by OpenSSL 3.0, those for RSA and P-521 apart from one key, with the
//! password `secret`: `openssl pkcs8 -topk8` with `-v2prf`, `-scrypt`, `-v2 des3` and `-v1 PBE-SHA1-3DES`, `openssl ec -aes256`.

mod support;

use floodway_tls::{Certificate, ConfigError, CredentialError, ServerConfig};
use rcgen::KeyPair;

use support::{
    LOCALHOST, Ours, Pems, VERSIONS, converse, for_key, rustls_client, rustls_config,
    server_options,
};

const PKCS8: &str = include_str!("keys/pkcs8.pem");

fn config(certificate: Certificate<'_>) -> Result<ServerConfig, ConfigError> {
    ServerConfig::new(&server_options(&[certificate]))
}

fn error(certificate: Certificate<'_>) -> CredentialError {
    match config(certificate) {
        Err(ConfigError::Credentials(0, error)) => error,
        other => panic!("expected an error of the certificate, got {other:?}"),
    }
}

fn with_key<'a>(pems: &'a Pems, key: &'a str, password: Option<&'a str>) -> Certificate<'a> {
    Certificate {
        key_pem: key.as_bytes(),
        password: password.map(str::as_bytes),
        ..pems.certificate()
    }
}

#[test]
fn keys_of_every_form_are_read() {
    let pems = for_key(PKCS8);
    let sec1 = include_str!("keys/sec1.pem");
    let pbkdf2 = include_str!("keys/pbkdf2_sha256_aes256.pem");
    let scrypt = include_str!("keys/scrypt_aes256.pem");
    for (key, password) in [
        (PKCS8, None),
        (sec1, None),
        (sec1, Some("unused")),
        (pbkdf2, Some("secret")),
        (scrypt, Some("secret")),
    ] {
        config(with_key(&pems, key, password)).expect(key);
    }
}

#[test]
fn an_rsa_key_serves_both_versions() {
    let pkcs1 = include_str!("keys/pkcs1.pem");
    let pems = for_key(include_str!("keys/pkcs8_rsa.pem"));
    let config = config(with_key(&pems, pkcs1, None)).expect("PKCS#1");
    for version in VERSIONS {
        let mut client = rustls_client(&rustls_config(version), "localhost");
        let mut server = Ours::new(config.session());
        converse(&mut client, &mut server, usize::MAX).expect("a handshake");
    }
}

#[test]
fn certificate_and_key_may_be_in_one_file() {
    let both = format!("{}{}", LOCALHOST.key, LOCALHOST.chain);
    let certificate = Certificate {
        chain_pem: both.as_bytes(),
        key_pem: both.as_bytes(),
        ..LOCALHOST.certificate()
    };
    config(certificate).expect("a configuration");
}

#[test]
fn a_wrong_or_missing_password_is_told_apart() {
    let pems = for_key(PKCS8);
    for key in [
        include_str!("keys/pbkdf2_sha256_aes256.pem"),
        include_str!("keys/scrypt_aes256.pem"),
    ] {
        assert_eq!(
            error(with_key(&pems, key, None)),
            CredentialError::PasswordNeeded
        );
        assert_eq!(
            error(with_key(&pems, key, Some("wrong"))),
            CredentialError::WrongPassword
        );
    }
}

#[test]
fn encryption_that_cannot_be_read_is_named_with_the_way_out() {
    let pems = for_key(PKCS8);
    for key in [
        include_str!("keys/pbes1_3des.pem"),
        include_str!("keys/pbkdf2_sha1_aes256.pem"),
        include_str!("keys/pbkdf2_sha256_3des.pem"),
        include_str!("keys/sec1_aes256.pem"),
    ] {
        let error = error(with_key(&pems, key, Some("secret")));
        assert!(
            matches!(error, CredentialError::UnsupportedEncryption(_)),
            "{error:?} for {key}"
        );
        assert!(
            error
                .to_string()
                .ends_with("convert it with `openssl pkcs8 -topk8`")
        );
        assert!(error.is_about_key());
    }
}

#[test]
fn a_key_that_cannot_sign_here_is_named() {
    let key = include_str!("keys/p521.pem");
    let error = error(with_key(&LOCALHOST, key, None));
    assert!(
        matches!(error, CredentialError::UnsupportedKey(_)),
        "{error:?}"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let other = KeyPair::generate().expect("a key").serialize_pem();
    assert_eq!(
        error(with_key(&LOCALHOST, &other, None)),
        CredentialError::KeyMismatch
    );
}

#[test]
fn what_is_not_there_is_said() {
    assert_eq!(
        config(with_key(&LOCALHOST, &LOCALHOST.chain, None)).expect_err("no key"),
        ConfigError::Credentials(0, CredentialError::NoKey)
    );
    let no_chain = Certificate {
        chain_pem: LOCALHOST.key.as_bytes(),
        ..LOCALHOST.certificate()
    };
    assert_eq!(error(no_chain), CredentialError::NoCertificate);
    assert!(!CredentialError::NoCertificate.is_about_key());
    assert_eq!(
        ServerConfig::new(&server_options(&[])).expect_err("none"),
        ConfigError::NoCertificates
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let cut = &LOCALHOST.chain.as_bytes()[..100];
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for chain_pem in [cut, garbage.as_bytes()] {
        let certificate = Certificate {
            chain_pem,
            ..LOCALHOST.certificate()
        };
        let error = error(certificate);
        assert!(
            matches!(error, CredentialError::BadCertificate(_)),
            "{error:?}"
        );
    }
    let cut = &LOCALHOST.key[..100];
    let error = error(with_key(&LOCALHOST, cut, None));
    assert!(matches!(error, CredentialError::BadKey(_)), "{error:?}");
}

#[test]
fn the_index_says_which_certificate_it_is() {
    let bad = with_key(&LOCALHOST, "", None);
    let error = ServerConfig::new(&server_options(&[LOCALHOST.certificate(), bad]));
    let error = error.expect_err("no key");
    assert_eq!(error, ConfigError::Credentials(1, CredentialError::NoKey));
    assert_eq!(
        error.to_string(),
        "certificate 1: there is no private key in it"
    );
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", LOCALHOST.certificate());
    assert_eq!(shown, "Certificate { names: [], .. }");
    assert_eq!(format!("{:?}", support::SECRET), "TicketSecret");
}
