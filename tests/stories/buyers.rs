//! A buyer's way to the payment page and back.

use http::Method;
use tillgate_lab::sandbox::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::DEADLINE;
use crate::world::till::{Till, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_and_an_abandoned_payment_can_be_tried_again() {
    let till = Till::open().await;
    for (act, words) in [("decline", "Заказ не оплачен"), ("abandon", "Заказ не оплачен")]
    {
        let placed = till.place(act, act).await;
        let number = text(&placed["number"]);
        let page = format!("{}/order/{}", till.bank.url(), till.remote(&number).container);
        let (_, return_url, _) = till.browse(Method::POST, &format!("{page}/{act}")).await;
        let (status, _, shown) = till.browse(Method::GET, &return_url).await;
        assert!(status == 200 && shown.contains(words), "{act}: {shown}");
        assert!(shown.contains("https://shop.example/fail"), "the link to the shop: {shown}");
        assert_eq!(till.order(&number).await["state"], "open");
        let (status, again, _) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
        assert_eq!((status, again.as_str()), (303, page.as_str()));
        till.browse(Method::POST, &format!("{page}/pay")).await;
        till.order_in(&number, "paid").await;
    }
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guessed_address_leads_nowhere() {
    let till = Till::open().await;
    let placed = till.place("A-1", "k").await;
    let (number, url) = (text(&placed["number"]), text(&placed["payment"]["url"]));
    let token = url.rsplit('/').next().expect("a token");
    let secret = token.split_once('-').expect("a secret").1;
    assert_eq!(secret.len(), 22, "128 bits in base64");
    for guess in [
        "",
        "x",
        &number,
        &format!("{number}-"),
        &format!("{number}-{}", &secret[1..]),
        &format!("{number}-{secret}0"),
    ] {
        for way in ["pay", "return"] {
            let (status, location, _) = till.browse(Method::GET, &format!("/{way}/{guess}")).await;
            assert_eq!((status, location.as_str()), (404, ""), "{way}/{guess}");
        }
    }
    till.close().await;
}

/// The live page sends the status of the payment, and sends it again when it
/// changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_return_page_follows_the_payment_live() {
    let till = Till::open().await;
    let placed = till.place("A-1", "k").await;
    let number = text(&placed["number"]);
    let return_url = text(&placed["payment"]["url"]).replace("/pay/", "/return/");
    let (_, _, page) = till.browse(Method::GET, &return_url).await;
    assert!(
        page.contains("Ждём подтверждения")
            && page.contains("<noscript><meta http-equiv=\"refresh\""),
        "{page}"
    );
    let address = till.url().replace("http://", "");
    let path = return_url.replace(&till.url(), "");
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let request = format!("GET {path}/events HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut received = String::new();
    let mut wait_for = async |words: &str| {
        let mut buffer = [0; 1024];
        while !received.contains(words) {
            let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await;
            let count = read.expect("in time").expect("a stream");
            assert!(count > 0, "the stream ended: {received}");
            received.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    wait_for("data: ready").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    wait_for("data: paid").await;
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_get_pages_in_their_language_and_their_address_stays_secret() {
    let till = Till::open().await;
    let placed = till.place("A-1\"><script>alert(1)</script>", "k").await;
    let return_url = text(&placed["payment"]["url"]).replace("/pay/", "/return/");
    for (wanted, lang) in
        [("en-GB,en;q=0.9", "en"), ("ru", "ru"), ("de,en;q=0.5", "en"), ("de", "ru"), ("", "ru")]
    {
        let mut headers = http::HeaderMap::new();
        headers.insert("accept-language", http::HeaderValue::from_str(wanted).expect("a header"));
        let client = tillgate::peer::Client::new(DEADLINE, 1 << 20).expect("a client");
        let reply =
            client.call(Method::GET, &return_url, headers, Vec::new()).await.expect("an answer");
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{wanted}: {page}");
        assert!(!page.contains("<script>alert"), "{page}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
        ] {
            assert_eq!(reply.headers[name], value);
        }
        assert!(
            reply.headers["content-security-policy"]
                .to_str()
                .expect("ascii")
                .starts_with("default-src 'none'")
        );
    }
    till.close().await;
}

/// A QR code has the buyer's address as long as the order exists. A slip can be
/// printed while the order can be paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_can_be_paid_from_a_slip_of_paper() {
    let till = Till::open().await;
    let placed = till.place("A-1", "k").await;
    let (number, address) = (text(&placed["number"]), text(&placed["payment"]["url"]));
    let code = till.call(Method::GET, &format!("{address}/qr.svg"), "", None, "").await;
    assert_eq!(
        (code.status.as_u16(), &code.headers["content-type"]),
        (200, &"image/svg+xml".parse().expect("a type"))
    );
    let expected =
        qrcode::QrCode::with_error_correction_level(&address, qrcode::EcLevel::M).expect("a code");
    let expected =
        expected.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build();
    assert_eq!(String::from_utf8_lossy(&code.body), expected);
    assert_eq!(till.browse(Method::GET, &format!("{address}0/qr.svg")).await.0, 404);
    let (status, _, slip) = till.browse(Method::GET, &format!("{address}/slip")).await;
    assert_eq!(status, 200);
    for part in [&address, "614,80\u{a0}₽", "Заказ A-1", "<svg", "Оплата заказа"]
    {
        assert!(slip.contains(part), "{part}: {slip}");
    }
    assert!(!slip.contains("<?xml"), "{slip}");
    assert_eq!(till.cancel(&number, crate::world::till::API_KEY).await.status, 200);
    let (_, _, slip) = till.browse(Method::GET, &format!("{address}/slip")).await;
    assert!(slip.contains("Заказ отменён") && !slip.contains("<svg"), "{slip}");
    till.close().await;
}

/// Buyers see whose page it is, and a page that says "not paid" does not turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_name_the_shop() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let logo = folder.path().join("logo.png");
    std::fs::write(&logo, b"\x89PNG\r\n\x1a\nthe rest").expect("written");
    let named = format!("name = \"Чайная №1\"\nlogo_file = \"{}\"\n", logo.display());
    let section = "[merchants.site]\n";
    let replace = [(section, format!("{section}{named}"))];
    let replace = replace.each_ref().map(|(from, to)| (*from, to.as_str()));
    let till = Till::open_with(
        tillgate_lab::sandbox::Setup::default(),
        &replace,
        tillgate::kernel::Clock::System,
    )
    .await;
    let order = till.place("A-1", "key").await;
    let address = text(&order["payment"]["url"]);
    let back = address.replace("/pay/", "/return/") + "?from=fail";
    let (_, _, page) = till.browse(Method::GET, &back).await;
    assert!(page.contains("Чайная №1") && page.contains("/assets/logo/site"), "{page}");
    assert!(page.contains("class=\"ready\""), "{page}");
    let style = till.browse(Method::GET, &format!("{}/assets/buyer.css", till.url())).await.2;
    let turning: Vec<&str> =
        style.lines().filter(|line| line.contains("animation: turn")).collect();
    assert!(turning.iter().all(|line| !line.contains(".ready")), "{turning:?}");
    let (_, _, slip) = till.browse(Method::GET, &format!("{address}/slip")).await;
    assert!(slip.contains("Чайная №1"), "{slip}");
    let (_, _, status) = till.browse(Method::GET, &format!("{address}/status")).await;
    assert!(status.contains("Чайная №1"), "{status}");
    let logo = format!("{}/assets/logo/site", till.url());
    let reply = till.call(Method::GET, &logo, "", None, "").await;
    assert_eq!(reply.headers["content-type"], "image/png");
    assert_eq!(till.call(Method::GET, &format!("{logo}2"), "", None, "").await.status, 404);
    till.close().await;
}
