//! Pickers get each message once, however Telegram answers.

use std::time::Duration;

use serde_json::json;
use tillgate::kernel::Clock;
use tillgate_lab::demo::chat::Trouble;

use crate::world::database::Server;
use crate::world::{DEADLINE, Services, ask_again_soon, created, hook, payload};

const CHANGED_AT: &str = "2026-11-22T12:10:00+03:00";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pickers_read_what_to_do() {
    let services = Services::open().await;
    services.acknowledged(include_str!("../../fixtures/sm/01-created.json")).await;
    services.acknowledged(include_str!("../../fixtures/sm/03-changed.json")).await;
    services
        .acknowledged(hook(
            "order.cancelled",
            Some("2026-11-22T12:30:00+03:00"),
            json!({"originalOrderId": "H2611220001"}),
        ))
        .await;
    let texts = services.picker_messages(3).await;
    let number =
        services.order("H2611220001").await["number"].as_str().expect("a number").to_owned();
    assert_eq!(
        texts[0],
        format!(
            "🆕 Новый заказ H2611220001\nМагазин 17 · к 22.11, 15:00–17:00\n\
             1. Молоко «Луговое» 3,2 %, 930 мл (арт. 100201) × 2\n\
             2. Хлеб бородинский, 400 г (арт. 100317) × 1\n\
             3. Бананы, 500 г (арт. 204500) × 3, 1500 г\n\
             4. Сыр «Костромской» 45 %, 300 г (арт. 310044) × 1\n\
             5. Вода негазированная, 1,5 л (арт. 415926) × 6\n\
             Позиций: 5 · сумма 1\u{a0}016,50\u{a0}₽\n№ {number}-1"
        )
    );
    assert_eq!(
        texts[1],
        format!(
            "✏️ Изменён заказ H2611220001\nМагазин 17\n\
             • Молоко «Луговое» 3,2 %, 930 мл (арт. 100201): 2 → 3\n\
             ➖ Хлеб бородинский, 400 г (арт. 100317) × 1 → замена: 100318\n\
             ➕ Хлеб дарницкий, 350 г (арт. 100318) × 1\n№ {number}-2"
        )
    );
    assert_eq!(
        texts[2],
        format!(
            "❌ Отменён заказ H2611220001\nМагазин 17\nНе собирайте его; собранное верните на \
             полки.\n№ {number}-3"
        )
    );
    assert!(services.chat.messages().iter().all(|message| message.chat_id == "pickers-of-17"));
    services.close().await;
}

/// Messages have no name, phone, address or comment of a customer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pickers_get_no_personal_data() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    let mut other = payload("H1", "100", 3, "30.00");
    other["comment"] = json!("код 777, спросить Канарейкину");
    services.acknowledged(hook("order.changed", Some(CHANGED_AT), other)).await;
    let texts = services.picker_messages(2).await.join("\n");
    for canary in ["Канарейкин", "9991234567", "Тайная", "4242", "777"] {
        assert!(!texts.contains(canary), "{canary} in {texts}");
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_does_not_concern_pickers_is_not_sent() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    let mut only_comment = payload("H1", "100", 2, "20.00");
    only_comment["comment"] = json!("другой комментарий");
    services.acknowledged(hook("order.changed", Some(CHANGED_AT), only_comment)).await;
    let dearer = payload("H1", "100", 2, "22.00");
    services.acknowledged(hook("order.paid", Some("2026-11-22T12:20:00+03:00"), dearer)).await;
    services.outbox_is_empty().await;
    services.picker_messages(1).await;
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_order_that_is_shipped_is_not_announced() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    let bare = |kind: &str, at: &str| hook(kind, Some(at), json!({"originalOrderId": "H1"}));
    services.acknowledged(bare("order.received", "2026-11-22T12:30:00+03:00")).await;
    services.acknowledged(bare("order.cancelled", "2026-11-22T12:40:00+03:00")).await;
    services.outbox_is_empty().await;
    services.picker_messages(1).await;
    let order = services.order("H1").await;
    assert!(order["attention"].to_string().contains("the goods are gone"), "{order}");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_is_busy_or_broken_gets_every_message_in_order_in_the_end() {
    let services = Services::open().await;
    services.chat.misbehave([Trouble::Broken, Trouble::TooFast(1), Trouble::NoSuchChat]);
    services.acknowledged(created("H1")).await;
    services
        .acknowledged(hook("order.changed", Some(CHANGED_AT), payload("H1", "100", 5, "50.00")))
        .await;
    let texts = services.picker_messages(2).await;
    assert!(texts[0].contains("Новый заказ") && texts[1].contains("2 → 5"), "{texts:?}");
    services.outbox_is_empty().await;
    assert_eq!(services.chat.calls(), 5, "three failures and two messages");
    services.close().await;
}

/// A group that became a supergroup has another id: the message is sent there
/// at once, and so are all later ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_has_moved_is_followed_and_a_closed_topic_is_waited_for() {
    let services = Services::open().await;
    services.chat.misbehave([Trouble::TopicClosed, Trouble::MovedTo(-1_001_557_912_345)]);
    services.acknowledged(created("H1")).await;
    services
        .acknowledged(hook("order.changed", Some(CHANGED_AT), payload("H1", "100", 5, "50.00")))
        .await;
    services.picker_messages(2).await;
    services.outbox_is_empty().await;
    let chats: Vec<String> =
        services.chat.messages().into_iter().map(|message| message.chat_id).collect();
    assert_eq!(chats, ["-1001557912345", "-1001557912345"]);
    assert_eq!(
        services.chat.calls(),
        4,
        "one call to a closed topic, one to the old chat, and two messages"
    );
    assert!(services.list("/outbox?state=dead").await.is_empty());
    services.close().await;
}

/// The connection breaks after Telegram has accepted the message: it is sent
/// twice, with the same number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_retried_and_the_duplicate_is_recognised() {
    let services = Services::open().await;
    services.chat.misbehave([Trouble::DeliveredButBroken]);
    services.acknowledged(created("H1")).await;
    let texts = services.picker_messages(2).await;
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].lines().last().expect("a last line").ends_with("-1"));
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_can_never_go_is_dead_and_visible_and_can_be_tried_again() {
    let services = Services::open().await;
    services.chat.misbehave([Trouble::BadText]);
    services.acknowledged(created("H1")).await;
    services
        .acknowledged(hook("order.changed", Some(CHANGED_AT), payload("H1", "100", 5, "50.00")))
        .await;
    // The dead letter does not block other messages.
    let texts = services.picker_messages(1).await;
    assert!(texts[0].contains("2 → 5"), "{texts:?}");
    services.outbox_is_empty().await;
    let dead = services.list("/outbox?state=dead").await;
    assert_eq!(dead.len(), 1);
    assert!(
        dead[0]["last_error"]["text"].as_str().expect("an error").contains("text is empty"),
        "{dead:?}"
    );
    let id = dead[0]["id"].as_str().expect("an id");
    let (status, _) =
        services.ask(http::Method::POST, &format!("/admin/v1/outbox/{id}/retry"), None).await;
    assert_eq!(status, 200);
    services.picker_messages(2).await;
    services.outbox_is_empty().await;
    assert!(services.list("/outbox").await.is_empty());
    let (status, problem) =
        services.ask(http::Method::POST, &format!("/admin/v1/outbox/{id}/drop"), None).await;
    assert_eq!(status, 409, "{problem}");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_message_is_not_sent() {
    let services = Services::open().await;
    services.chat.misbehave([Trouble::TooFast(3600)]);
    services.acknowledged(created("H1")).await;
    assert!(services.chat.wait_for_calls(1, DEADLINE).await);
    let waiting = async {
        loop {
            let pending = services.list("/outbox?state=pending").await;
            if let Some(one) = pending.first().filter(|one| one["attempts"] == 1) {
                return one["id"].as_str().expect("an id").to_owned();
            }
            ask_again_soon().await;
        }
    };
    let id = tokio::time::timeout(DEADLINE, waiting).await.expect("the failure is recorded");
    let (status, _) =
        services.ask(http::Method::POST, &format!("/admin/v1/outbox/{id}/drop"), None).await;
    assert_eq!(status, 200);
    services.outbox_is_empty().await;
    assert_eq!(services.chat.messages(), []);
    services.close().await;
}

/// A chat gets its messages with pauses between them, and does not delay
/// another chat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_not_flooded_and_holds_up_no_other() {
    let hour = [("gap_milliseconds = 1", "gap_milliseconds = 3600000")];
    let services = Services::open_with(&hour, Clock::System).await;
    for order in 1..=3 {
        services.acknowledged(created(&format!("H{order}"))).await;
    }
    let mut elsewhere = payload("H9", "100", 2, "20.00");
    elsewhere["storeID"] = json!(23);
    services.acknowledged(hook("order.created", None, elsewhere)).await;
    let texts = services.picker_messages(2).await;
    assert!(
        texts.iter().any(|text| text.contains("Магазин 17"))
            && texts.iter().any(|text| text.contains("Магазин 23"))
    );
    // A delivered message is settled a moment later.
    let settled = async {
        while services.list("/outbox?state=pending").await.len() > 2 {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.expect("two are settled");
    assert_eq!(services.list("/outbox?state=pending").await.len(), 2);
    assert_eq!(services.chat.messages().len(), 2);
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_failed_for_a_day_is_dead() {
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().expect("a time"));
    let services = Services::open_with(&[], clock.clone()).await;
    services.chat.misbehave(std::iter::repeat_n(Trouble::Broken, 100));
    services.acknowledged(created("H1")).await;
    let dies = async {
        let mut seen = 0;
        loop {
            // The two states are read one after another, so a message that
            // changes its state in between may be in neither.
            let Some(message) = services.list("/outbox").await.pop() else { continue };
            if message["state"] == "dead" {
                return message;
            }
            let attempts = message["attempts"].as_u64().expect("a count");
            if attempts > seen {
                seen = attempts;
                // The longest backoff: the next attempt is due.
                clock.advance(Duration::from_secs(3600));
            }
            ask_again_soon().await;
        }
    };
    let dead = tokio::time::timeout(DEADLINE, dies).await.expect("the message is a dead letter");
    let attempts = dead["attempts"].as_u64().expect("a count");
    assert!(attempts > 20, "it was retried many times: {dead}");
    assert!(dead["last_error"]["text"].as_str().expect("an error").contains("500"), "{dead}");
    assert_eq!(services.chat.messages(), []);
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pickers_who_read_english_get_english() {
    let english = [("[notify.telegram]", "[notify]\nlanguage = \"en\"\n[notify.telegram]")];
    let services = Services::open_with(&english, Clock::System).await;
    services.acknowledged(created("H1")).await;
    let texts = services.picker_messages(1).await;
    let number = services.order("H1").await["number"].as_str().expect("a number").to_owned();
    assert_eq!(
        texts[0],
        format!(
            "🆕 New order H1\nStore 17\n1. item 100 × 2\nLines: 1 · total ₽20.00\n№ {number}-1"
        )
    );
    services.close().await;
}

/// One of several receivers has a wrong clock, by an hour or by two days, ahead
/// or behind. The others send its messages at once, and it sends theirs. A
/// failed attempt is retried as soon as usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_whose_clock_is_wrong_delays_no_message() {
    let wrong = [3600, -3600, 2 * 86_400, -2 * 86_400].map(Clock::Wrong);
    let pairs = wrong.iter().flat_map(|wrong| [(wrong, &Clock::System), (&Clock::System, wrong)]);
    for (place, (writes, sends)) in pairs.enumerate() {
        let database = Server::shared().new_database().await;
        let services = Services::open_on(&database, writes.clone()).await;
        services.chat.misbehave([Trouble::Broken]);
        services.acknowledged(created("H1")).await;
        let failed = async {
            while services
                .list("/outbox?state=pending")
                .await
                .first()
                .is_none_or(|message| message["attempts"] != 1)
            {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(DEADLINE, failed).await.expect("a failed attempt");
        services.close().await;
        let other = Services::open_on(&database, sends.clone()).await;
        other.acknowledged(created("H2")).await;
        other.outbox_is_empty().await;
        assert_eq!(other.picker_messages(2).await.len(), 2, "pair {place}");
        other.close().await;
    }
}

/// A bot that was removed from its chat is something for a person, and the
/// message waits until it may write again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_was_removed_from_its_chat_needs_attention() {
    let services = Services::open().await;
    services.chat.misbehave([Trouble::Kicked]);
    services.acknowledged(created("H1")).await;
    services.picker_messages(1).await;
    let order = services.order("H1").await;
    let note = &order["attention"][0];
    assert_eq!((&note["kind"], &note["store_id"]), (&json!("pickers_unreachable"), &json!("17")));
    let text = note["text"].as_str().expect("a text");
    assert!(text.contains("tillgate outbox retry --all --lane telegram"), "{text}");
    services.close().await;
}
