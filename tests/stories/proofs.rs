//! Every way to verify a source that `[sources.<name>.verify]` can name.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tillgate::config;
use tillgate::kernel::secret::webhook_key;
use tillgate::kernel::signature::{Algorithm, sign_body, sign_standard};
use tillgate::kernel::{Clock, Secret};
use tillgate::peer::Client;

use serde_json::json;

use crate::world::{DEADLINE, Services, TOKEN, created, hook, payload};

const KEY_OF_HMAC: &str = "5b7c1e0f9a3d2846";
/// The key that replaces `KEY_OF_HMAC`.
const NEW_KEY: &str = "0d4f8a6b2c9e1735";
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Starts a gateway whose source is verified as `verify` says, with or without
/// its token.
async fn services(verify: &str, with_token: bool) -> Services {
    let token = format!("token = \"{TOKEN}\"\n");
    let kept = if with_token { token.as_str() } else { "" };
    let section = format!("{kept}        [sources.sm.verify]\n        {verify}\n");
    Services::open_with(&[(&token, &section)], Clock::System).await
}

/// Posts a hook with these headers, and returns the status and the answer.
async fn post(services: &Services, body: &str, headers: &[(HeaderName, String)]) -> (u16, String) {
    let value = |text: &String| HeaderValue::from_str(text).expect("a header");
    let headers: HeaderMap =
        headers.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let url = format!("{}/hooks/sm", services.url());
    let reply = client
        .call(Method::POST, &url, headers, body.as_bytes().to_vec())
        .await
        .expect("an answer");
    (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
}

/// While a key or a password is being exchanged, the old one is still valid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_verified_as_configured() {
    let body = created("H1");
    let mac = sign_body(&Secret::new(KEY_OF_HMAC), Algorithm::Sha256, body.as_bytes());
    let wrong = sign_body(&Secret::new("another"), Algorithm::Sha256, body.as_bytes());
    let (api_key, signature) =
        (HeaderName::from_static("x-api-key"), HeaderName::from_static("x-signature"));
    let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair));
    let hmac = format!(
        "by = \"hmac\"\nheader = \"X-Signature\"\nkeys = [\"{NEW_KEY}\", \"{KEY_OF_HMAC}\"]\n\
         prefix = \"sha256=\""
    );
    for (verify, with_token, name, right, wrong) in [
        (
            "by = \"token\"\nheader = \"X-Api-Key\"",
            true,
            api_key,
            TOKEN.to_owned(),
            "another".to_owned(),
        ),
        (hmac.as_str(), false, signature, format!("sha256={mac}"), format!("sha256={wrong}")),
        (
            "by = \"basic\"\nuser = \"shop\"\npasswords = [\"a-new-password-3957\", \
             \"a-long-password-2846\"]",
            false,
            header::AUTHORIZATION,
            basic("shop:a-long-password-2846"),
            basic("shop:another"),
        ),
    ] {
        let services = services(verify, with_token).await;
        assert_eq!(post(&services, &body, &[]).await.0, 403, "{verify}");
        assert_eq!(post(&services, &body, &[(name.clone(), wrong)]).await.0, 403, "{verify}");
        assert_eq!(
            post(&services, &body, &[(name.clone(), right.clone())]).await.0,
            200,
            "{verify}"
        );
        assert_eq!(services.order("H1").await["state"], "open");
        // The default header of the protocol is not accepted if another way is
        // configured.
        let own = HeaderName::from_static("client-token");
        assert_eq!(
            post(&services, &created("H2"), &[(own, TOKEN.to_owned())]).await.0,
            403,
            "{verify}"
        );
    }
}

/// A delivery with the sender's own id is recognised by this id, whatever its
/// bytes are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_with_an_id_is_recognised_by_it() {
    let services = services(&format!("by = \"standard_webhooks\"\nkey = \"{KEY}\""), false).await;
    let signed = |id: &str, body: &str| {
        let (key, now) = (webhook_key(&Secret::new(KEY)).expect("a key"), Clock::System.now());
        let signature = sign_standard(&key, id, now, body.as_bytes()).expect("a signature");
        vec![
            (HeaderName::from_static("webhook-id"), id.to_owned()),
            (HeaderName::from_static("webhook-timestamp"), now.as_second().to_string()),
            (HeaderName::from_static("webhook-signature"), signature),
        ]
    };
    let body = created("H1");
    let spaced = format!(" {body}");
    let (status, answer) = post(&services, &body, &signed("msg_1", &body)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        post(&services, &spaced, &signed("msg_1", &spaced)).await,
        (200, answer),
        "the answer of the first"
    );
    let hooks = services.list("/hooks?source=sm").await;
    let verdicts: Vec<&str> = hooks.iter().filter_map(|hook| hook["verdict"].as_str()).collect();
    assert_eq!(
        verdicts,
        ["replayed", "applied"],
        "one applied hook, and an entry for its duplicate"
    );
    // A sender that uses an id again for another order loses no order.
    let other = created("H2");
    assert_eq!(post(&services, &other, &signed("msg_1", &other)).await.0, 200);
    assert_eq!(services.order("H2").await["state"], "open");
    assert_eq!(
        post(&services, &body, &signed("msg_2", &spaced)).await.0,
        403,
        "signed for other bytes"
    );

    // Without a time, a repeated change could be a change back. With the same
    // id it is certainly a retry.
    let change =
        |quantity: i64| hook("order.changed", None, payload("H1", "100", quantity, "10.00"));
    for (id, quantity) in [("msg_3", 2), ("msg_4", 3), ("msg_3", 2)] {
        let body = change(quantity);
        assert_eq!(post(&services, &body, &signed(id, &body)).await.0, 200);
    }
    let order = services.order("H1").await;
    assert_eq!(order["attention"], json!([]), "{order}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_can_be_verified_by_its_network_alone() {
    for (networks, status) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 403)] {
        let services =
            services(&format!("by = \"networks\"\nnetworks = [\"{networks}\"]"), false).await;
        assert_eq!(post(&services, &created("H1"), &[]).await.0, status, "{networks}");
    }
}

#[test]
fn an_incomplete_verification_is_refused_with_what_it_needs() {
    let refused = |section: &str| {
        let text = format!("[sources.sm]\nprotocol = \"sm\"\n{section}");
        match config::parse(Path::new("test"), &text, std::iter::empty()) {
            Ok(_) => panic!("{section} was accepted"),
            Err(why) => why.to_string(),
        }
    };
    let token = "token = \"a-token-of-the-marketplace\"\n";
    for (section, why) in [
        (
            "[sources.sm.verify]\nby = \"hmac\"\nheader = \"x\"".to_owned(),
            "sources.sm.verify.key is missing",
        ),
        (
            "[sources.sm.verify]\nby = \"hmac\"\nheader = \"a b\"".to_owned(),
            "is not a valid header name",
        ),
        (
            "[sources.sm.verify]\nby = \"basic\"\nuser = \"u\"".to_owned(),
            "verify.password is missing",
        ),
        (
            "[sources.sm.verify]\nby = \"standard_webhooks\"\nkey = \"x\"".to_owned(),
            "verify.key: expected whsec_",
        ),
        (
            "[sources.sm.verify]\nby = \"networks\"\nnetworks = [\"10.0.0.0/8\"]\nuser = \"u\""
                .to_owned(),
            "verify.user: not used with this value of `by`, which takes networks",
        ),
        (
            "[sources.sm.verify]\nby = \"hmac\"\nheader = \"x\"\nkey = \"\"".to_owned(),
            "characters are too few",
        ),
        (
            "[sources.sm.verify]\nby = \"standard_webhooks\"\nkey = \"whsec_\"".to_owned(),
            "at least 24 random bytes",
        ),
        (
            "[sources.sm.verify]\nby = \"basic\"\nuser = \"\"\npassword = \"p\"".to_owned(),
            "user: must not be empty",
        ),
        (
            "[sources.sm.verify]\nby = \"basic\"\nuser = \"u\"\npassword = \"\"".to_owned(),
            "too few",
        ),
        (
            "[sources.sm.verify]\nby = \"networks\"\nnetworks = []".to_owned(),
            "networks: list the networks",
        ),
        (
            "[sources.sm.verify]\nby = \"networks\"\nnetworks = [\"0.0.0.0/0\"]".to_owned(),
            "networks: list the networks",
        ),
        (
            format!(
                "[sources.sm.verify]\nby = \"hmac\"\nheader = \"x\"\nkey = \"{KEY_OF_HMAC}\"\n\
                 [sources.b]\nprotocol = \"sm\"\n\
                 [sources.b.verify]\nby = \"hmac\"\nheader = \"x\"\nkey = \"{KEY_OF_HMAC}\""
            ),
            "are the same secret",
        ),
        ("[sources.sm.verify]\nby = \"token\"\nheader = \"x\"".to_owned(), "no token"),
        (
            format!("{token}[sources.sm.verify]\nby = \"basic\"\nuser = \"u\""),
            "token has no effect",
        ),
        ("[sources.sm.verify]\nby = \"magic\"".to_owned(), "unknown variant `magic`"),
    ] {
        let error = refused(&section);
        assert!(error.contains(why), "{section}: {error}");
    }
}
