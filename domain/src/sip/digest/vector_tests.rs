//! Published examples.

use super::hash::Exchange;
use super::{Algorithm, Asker, Challenge, Credentials, Ha1, Login, Secret, answer};

/// User, realm, password; method, uri, nonce; nc and cnonce.
type Example = ([&'static str; 3], [&'static str; 3], Option<[&'static str; 2]>);

fn response(algorithm: Algorithm, (user, request, counted): Example) -> String {
    let exchange = Exchange {
        method: request[0],
        uri: request[1],
        nonce: request[2],
        counted: counted.map(|[nc, cnonce]| (nc, cnonce, "auth")),
    };
    let ha1 = Ha1::of(algorithm, user[0], user[1], user[2]);
    let response = ha1.response(&exchange);
    assert!(ha1.agrees(&exchange, &response));
    response
}

#[test]
fn rfc_7616_section_3_9_1() {
    let example = (
        ["Mufasa", "http-auth@example.org", "Circle of Life"],
        ["GET", "/dir/index.html", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"],
        Some(["00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"]),
    );
    assert_eq!(response(Algorithm::Md5, example), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        response(Algorithm::Sha256, example),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
}

/// The response as erratum 4897 corrects it: the RFC cut SHA-512 short.
#[test]
fn rfc_7616_section_3_9_2() {
    let example = (
        ["J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?"],
        ["GET", "/doe.json", "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"],
        Some(["00000001", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"]),
    );
    assert_eq!(
        response(Algorithm::Sha512_256, example),
        "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    );
}

const NONCE: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c093";

#[test]
fn rfc_2617_section_3_5() {
    let example = (
        ["Mufasa", "testrealm@host.com", "Circle Of Life"],
        ["GET", "/dir/index.html", NONCE],
        Some(["00000001", "0a4f113b"]),
    );
    assert_eq!(response(Algorithm::Md5, example), "6629fae49393a05397450978507c4ef1");
}

/// With the correction of its erratum 749.
#[test]
fn rfc_2069_section_2_4_which_has_no_qop() {
    let example = (["Mufasa", "testrealm@host.com", "CircleOfLife"], ["GET", "/dir/index.html", NONCE], None);
    assert_eq!(response(Algorithm::Md5, example), "1949323746fe6a43ef61f9606e7febea");
}

#[test]
fn draft_smith_sip_auth_examples() {
    let user = ["bob", "biloxi.com", "zanzibar"];
    let request = ["INVITE", "sip:bob@biloxi.com", NONCE];
    assert_eq!(response(Algorithm::Md5, (user, request, None)), "bf57e4e0d0bffc0fbaedce64d59add5e");
    let counted = Some(["00000001", "0a4f113b"]);
    assert_eq!(response(Algorithm::Md5, (user, request, counted)), "89eb0059246c02b2f6ee02c7961d5ea3");
}

/// The bytes of RFC 7616 §3.9.1's challenges, as lines of their own.
#[test]
fn the_first_challenge_of_rfc_7616_that_we_know_is_answered() {
    let common = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                  nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                  opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    let challenges = ["SHA3-256", "SHA-256", "MD5"]
        .map(|algorithm| Challenge::parse(Asker::Server, &format!("{common}, algorithm={algorithm}")).unwrap());
    let login = Login { username: "Mufasa", secret: Secret::Password("Circle of Life") };
    let (header, value) = answer(&challenges, &login, "GET", "/dir/index.html", 0xf2, 1).unwrap();
    assert_eq!(header.canonical(), Some("Authorization"));
    let given = Credentials::parse(&value).unwrap();
    assert_eq!((given.algorithm, given.nc.as_deref()), (Some(Algorithm::Sha256), Some("00000001")));
    assert_eq!(given.opaque.as_deref(), Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"));
    let ha1 = Ha1::of(Algorithm::Sha256, "Mufasa", "http-auth@example.org", "Circle of Life");
    assert!(ha1.agrees(&given.exchange("GET").unwrap(), &given.response));
}
