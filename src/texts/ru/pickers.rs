use crate::orders::State;
use crate::texts::PickerWords;

pub const PICKERS: PickerWords = PickerWords {
    new_order: "Новый заказ",
    changed: "Изменён заказ",
    cancelled: "Отменён заказ",
    put_back: "Не собирайте его; собранное верните на полки.",
    came_without_lines: "Пришёл без состава:",
    nothing_to_pick: "Собирать пока нечего. Проверьте заказ в кабинете маркетплейса.",
    store: "Магазин",
    no_store: "Магазин не указан",
    now_picked_by: "Теперь собирает",
    due: "к",
    new_time: "Новое время",
    came_late: "⚠️ Изменение пришло с опозданием, заказ уже",
    article: "арт.",
    replaced_by: "замена:",
    ordered: "заказано",
    grams: "г",
    unread_quantity: "⚠️ количество не прочитано",
    unread_lines: "⚠️ Не прочитано строк:",
    unread_all: "⚠️ Новый состав не прочитан",
    check: "сверьте с маркетплейсом",
    lines: "Позиций",
    total: "сумма",
    and_more: ["… и ещё ", ": список целиком в карточке заказа"],
    state,
};

fn state(state: State) -> &'static str {
    match state {
        State::Open => "открыт",
        State::Paid => "оплачен",
        State::Shipped => "передан курьеру",
        State::Cancelled => "отменён",
        State::Delivered => "доставлен",
    }
}
