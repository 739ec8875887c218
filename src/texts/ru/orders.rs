use crate::dedup::Reason;
use crate::kernel::{DecimalError, LocalTime, Money, Quantity};
use crate::orders::{Fact, JsonType, Late, NotCharged, OrderNote};
use crate::payments::PaymentFact;

use super::payments::{mismatch, payment_note, recorded};
use crate::texts::Signed;

pub fn order_note(note: &OrderNote) -> String {
    match note {
        OrderNote::CancelledButDelivered { cancelled_at } => {
            format!("отменён {cancelled_at}, но доставлен")
        }
        OrderNote::PaidAfterCancellation => "оплачен после отмены".into(),
        OrderNote::PaidOtherComposition => {
            "в оплате другой состав заказа: цены взяты, количества нет".into()
        }
        OrderNote::ShippedAfterCancellation => "курьер забрал заказ после отмены".into(),
        OrderNote::CancelledAfterShipment => "отменён после отгрузки: товар уже ушёл".into(),
        OrderNote::AmbiguousRepeat { hook } => format!(
            "изменение {hook} пришло ещё раз без времени и после других: это опоздавшая копия, \
             или заказ вернулся к нему. Сверьте с маркетплейсом"
        ),
        OrderNote::ClockAhead { source, sent_at, arrived_at } => {
            clock_ahead(source.as_str(), *sent_at, &arrived_at.to_string())
        }
        OrderNote::PickersUnreachable { store_id } => format!(
            "сборщики магазина {store_id} не получают сообщений: бота удалили из чата или ему \
                нельзя туда писать. Верните его или измените [notify.telegram.chats]; затем: \
                tillgate outbox retry --all --lane telegram"
        ),
        OrderNote::NoPayment { reason } => format!("оплата не запрошена: {}", uncharged(reason)),
        OrderNote::TextCut { places } => {
            format!("текст обрезан посреди символа, мест: {places}; там теперь U+FFFD")
        }
        OrderNote::TimeUnread { field } => format!("{field}: время не читается"),
        OrderNote::HookTimeUnread { field } => {
            format!("{field} не читается: хук считается со времени получения")
        }
        OrderNote::FieldRepeated { field } => {
            format!("{field} встречается дважды: считается последнее")
        }
        OrderNote::NotAnObject { field, found } => {
            format!("{field}: {}, а не объект", json_type(*found))
        }
        OrderNote::NotANumber { field, found } => {
            format!("{field}: {}, а не число", json_type(*found))
        }
        OrderNote::TextUnusable { field, found } => {
            format!("{field}: {}, слишком длинный или с управляющими символами", json_type(*found))
        }
        OrderNote::NumberUnread { field, problem } => format!("{field} {}", decimal(*problem)),
        OrderNote::BelowZero { field } => format!("{field} меньше нуля"),
        OrderNote::NoStore { field } => {
            format!("нет {field}: при отгрузке товар не спишется ни с чьих остатков")
        }
        OrderNote::NoLines => "заказ пришёл без строк: что собирать, неизвестно".into(),
        OrderNote::LinesNotAList { field, found } => {
            format!("{field}: {}, а не список: строки остались прежними", json_type(*found))
        }
        OrderNote::EmptyLines { field } => format!("{field}: пустой список"),
        OrderNote::LineNotAnObject { field, found } => {
            format!("{field}: {}, а не объект: строка пропущена", json_type(*found))
        }
        OrderNote::LineWithoutArticle { field } => {
            format!("{field} отсутствует: строка пропущена")
        }
        OrderNote::QuantityUnread { field } => {
            format!("{field} нет или не читается: сколько собирать, неизвестно")
        }
    }
}

fn clock_ahead(source: &str, sent_at: LocalTime, arrived_at: &str) -> String {
    format!(
        "часы {source} спешат: хук от {sent_at} пришёл {arrived_at}. Такие хуки считаются со \
         времени получения; сообщите отправителю"
    )
}

fn json_type(found: JsonType) -> &'static str {
    match found {
        JsonType::String => "строка",
        JsonType::Object => "объект",
        JsonType::List => "список",
        JsonType::Boolean => "true или false",
        JsonType::Null => "null",
        JsonType::Number => "число",
    }
}

fn decimal(problem: DecimalError) -> String {
    match problem {
        DecimalError::NotDecimal => "не число вида 12.50".into(),
        DecimalError::TooPrecise(kept) => format!("имеет больше цифр после точки, чем {kept}"),
        DecimalError::ExponentTooLarge(most) => format!("имеет показатель степени больше {most}"),
        DecimalError::TooLarge => "слишком большое".into(),
    }
}

pub fn uncharged(reason: &NotCharged) -> String {
    match reason {
        NotCharged::UnreadLines => "часть строк заказа не читается".into(),
        NotCharged::UnreadQuantity { sku } => format!("количество артикула {sku} не читается"),
        NotCharged::UnreadSum => "сумма заказа не читается".into(),
        NotCharged::NoLines => "в заказе нечего оплачивать".into(),
        NotCharged::Negative { sku } => {
            format!("у артикула {sku} количество или сумма меньше нуля")
        }
        NotCharged::ZeroWithDiscounts { total } => {
            format!("итог со скидками 0.00, без скидок {total}")
        }
        NotCharged::OtherTotal { of_lines, stated } => {
            format!("по строкам выходит {of_lines}, а более поздний хук называет {stated}")
        }
        NotCharged::NoSum { sku } => format!("в заказе нет итога, а у артикула {sku} нет суммы"),
        NotCharged::NoSumOrPrice { sku } => format!("у артикула {sku} нет ни суммы, ни цены"),
        NotCharged::UnreadLineSum { sku } => format!("стоимость артикула {sku} не читается"),
        NotCharged::GiftOrUndiscounted { sku } => format!(
            "артикул {sku} со скидками стоит 0.00, а без них больше: подарок это или товар без \
             скидки, не видно"
        ),
        NotCharged::AboveLines { total, of_lines } => {
            format!("итог {total} больше суммы строк {of_lines}, и доставкой это не объяснить")
        }
        NotCharged::UnclearDelivery { total, delivery } => {
            format!("неясно, входит ли доставка за {delivery} в итог {total}")
        }
        NotCharged::Bill { detail } => detail.clone(),
        NotCharged::NoEmail => "для чека платёжной системы нужен e-mail покупателя".into(),
        NotCharged::NoContact => {
            "для чека платёжной системы нужен e-mail или телефон покупателя".into()
        }
        NotCharged::TooManyLines { lines, lines_max } => {
            format!("строк {lines}, а платёжная система принимает не больше {lines_max}")
        }
        NotCharged::FreeLine { sku } => {
            format!("артикул {sku} стоит 0.00, чек платёжной системы таких строк не принимает")
        }
    }
}

fn late(late: &Late) -> String {
    match late {
        Late::Closed { by, at } => format!("заказ закрыт событием {by} {at}"),
        Late::Delivered { at } => format!("заказ доставлен {at}"),
        Late::Full { events_max, lines_max } => {
            format!("заказ переполнен: не больше {events_max} хуков и {lines_max} строк в них")
        }
    }
}

pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::CameBefore { received_at, verdict } => {
            format!("уже приходил {received_at}, решение {verdict}")
        }
        Reason::SaidBefore => "то же сказал более ранний хук".into(),
        Reason::Outdated => "обо всём, что в нём, сказали более новые хуки".into(),
        Reason::Late { late: why } => late(why),
        Reason::NotCreated => "его заказ ещё не создан".into(),
        Reason::WasParked => "ждал создания заказа".into(),
        Reason::DatedAhead { ahead_seconds_max } => format!(
            "датирован больше чем на {} минут позже получения и считается с него",
            ahead_seconds_max / 60
        ),
        Reason::UnknownEvent { event_type } => {
            format!("хуки вида {event_type} заказа не касаются")
        }
        Reason::Unusable { detail } => detail.clone(),
        Reason::TestEvent => "магазин проверяет доставку событий".into(),
        Reason::NotOurs => "это не о нашем".into(),
        Reason::NoPayment { number } => format!("платежа {number:?} нет"),
        Reason::KnownPaid { payment } => {
            format!("о платеже {payment} уже известно, что он оплачен")
        }
        Reason::UnwantedMoney { payment, reason } => payment_note(
            Some(*payment),
            &crate::payments::PaymentNote::UnwantedMoney { reason: reason.clone() },
        ),
        Reason::Payment { payment, note } => payment_note(*payment, note),
        Reason::Mismatch { mismatch: why } => mismatch(why),
        Reason::Recorded { what } => recorded(what),
        Reason::LookedAtAlready => "всё, о чём он говорит, уже проверяется".into(),
        Reason::ClockAhead { source, sent_at, arrived_at } => {
            clock_ahead(source.as_str(), *sent_at, &arrived_at.to_string())
        }
        Reason::TooManyParked { source, waiting_max } => format!(
            "{waiting_max} заказов источника {source} ждут создания, это предел: на его хуки о \
             несозданных заказах отвечаем 503. Спросите отправителя, почему он не присылает \
             order.created"
        ),
        Reason::QuotaUsedUp { source } => format!(
            "{source} прислал сегодня больше, чем megabytes_per_day_max в [sources.{source}]: \
             спросите отправителя, почему, или увеличьте предел. На хуки о несозданных заказах до \
             полуночи UTC отвечаем 503, остальные принимаются"
        ),
        Reason::NoTimeZone { source } => format!(
            "во временах {source} нет смещения, они упорядочивают только его хуки: задайте \
             time_zone в [sources.{source}]"
        ),
        Reason::NobodyListens { url } => {
            format!(
                "сайт по адресу {url} ответил 410: туда ничего не отправляется, пока не пройдёт \
                 проверка или повторная доставка вручную"
            )
        }
    }
}

fn sum(money: Option<Money>) -> String {
    money.map_or_else(|| "неизвестно".to_owned(), |money| money.to_string())
}

pub fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Created { positions, total } => {
            format!("создан, строк {positions}, итог {}", sum(*total))
        }
        Fact::Revised { revision } => format!("редакция {revision}"),
        Fact::PositionChanged { sku, from, to, replaced_by } => {
            let to = to
                .map_or_else(|| "нечитаемое количество".to_owned(), |to: Quantity| to.to_string());
            let by =
                replaced_by.as_ref().map_or_else(String::new, |by| format!(", замена на {by}"));
            format!("{sku}: {from} → {to}{by}")
        }
        Fact::WindowChanged { from, to } => {
            let end = |time: &Option<LocalTime>| {
                time.map_or_else(|| "…".to_owned(), |time| time.to_string())
            };
            format!("нужен {} – {}", end(from), end(to))
        }
        Fact::StoreChanged { store_id } => format!("передан в магазин {store_id}"),
        Fact::TotalChanged { from, to } => format!("итог {} → {}", sum(*from), sum(*to)),
        Fact::DiscountTotalChanged { from, to } => {
            format!("итог со скидками {} → {}", sum(*from), sum(*to))
        }
        Fact::DetailsChanged => {
            "изменились покупатель, адрес, комментарий или другие подробности".into()
        }
        Fact::StateChanged { from, to } => format!("{from} → {to}"),
        Fact::StockMoved { lines } => {
            lines.iter().fold("остатки:".to_owned(), |text, line| {
                format!("{text} {}/{} {}", line.store_id, line.sku, Signed(line.quantity))
            })
        }
        Fact::Unparked { kind } => format!("учтён ожидавший хук {kind}"),
        Fact::Announced { message } => {
            format!("сообщение сборщикам {message} поставлено в очередь")
        }
        Fact::NobodyToTell { store_id } => {
            format!("для магазина {store_id:?} не настроен чат: никому не сообщено")
        }
        Fact::Attention { note } => format!("внимание: {}", order_note(note)),
    }
}

pub fn payment_fact(fact: &PaymentFact) -> String {
    match fact {
        PaymentFact::PaymentPlanned { payment, amount } => {
            format!("будет запрошен платёж {payment} на {amount}")
        }
        PaymentFact::MoneyCame { payment, amount } => {
            format!("по платежу {payment} пришло {amount}")
        }
        PaymentFact::PaymentAttention { attention } => {
            format!("внимание: {}", payment_note(attention.payment, &attention.note))
        }
    }
}
