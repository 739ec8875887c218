//! The texts of the pages.

use tillgate_kernel::Language;

/// The version of [`Words::consent`]. It changes with the text, because the
/// client's document says which one was agreed to.
pub const CONSENT_VERSION: &str = "2026-11-30";

/// The texts of one language.
#[derive(Debug)]
pub struct Words {
    pub register: &'static str,
    pub register_button: &'static str,
    pub registered: &'static str,
    pub registered_text: &'static str,
    pub log_in: &'static str,
    pub log_out: &'static str,
    pub account: &'static str,
    pub have_account: &'static str,
    pub no_account: &'static str,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub email: &'static str,
    pub phone: &'static str,
    pub phone_hint: &'static str,
    pub password: &'static str,
    pub password_hint: &'static str,
    pub login_name: &'static str,
    pub username: &'static str,
    pub username_hint: &'static str,
    pub consent: &'static str,
    pub consent_missing: &'static str,
    pub mistakes: &'static str,
    pub expired_form: &'static str,
    pub sessions: &'static str,
    pub this_device: &'static str,
    pub no_device: &'static str,
    pub end_session: &'static str,
    pub used_at: &'static str,
    pub change_password: &'static str,
    pub old_password: &'static str,
    pub new_password: &'static str,
    pub password_ends_sessions: &'static str,
}

/// The texts in a language.
#[must_use]
pub const fn words(language: Language) -> &'static Words {
    match language {
        Language::Ru => &RU,
        Language::En => &EN,
    }
}

const RU: Words = Words {
    register: "Регистрация",
    register_button: "Зарегистрировать",
    registered: "Вы зарегистрированы",
    registered_text: "Теперь можно делать заказы. Ваше имя для входа показано ниже.",
    log_in: "Войти",
    log_out: "Выйти",
    account: "Личный кабинет",
    have_account: "Уже есть учётная запись? Войти",
    no_account: "Зарегистрироваться",
    first_name: "Имя",
    last_name: "Фамилия",
    email: "Электронная почта",
    phone: "Телефон",
    phone_hint: "С кодом страны, например +7 999 000-00-00",
    password: "Пароль",
    password_hint: "Не меньше 8 символов. Хорошо подходят несколько случайных слов",
    login_name: "Имя для входа, почта или телефон",
    username: "Имя для входа",
    username_hint: "Мы придумали его за вас, можно заменить",
    consent: "Я согласен на обработку моих персональных данных для выполнения заказов",
    consent_missing: "Без согласия мы не можем хранить ваши данные",
    mistakes: "Исправьте отмеченные поля",
    expired_form: "Страница устарела. Отправьте форму ещё раз",
    sessions: "Где вы вошли",
    this_device: "это устройство",
    no_device: "Устройство без имени",
    end_session: "Завершить",
    used_at: "Последнее действие:",
    change_password: "Сменить пароль",
    old_password: "Нынешний пароль",
    new_password: "Новый пароль",
    password_ends_sessions: "На всех других устройствах придётся войти заново",
};

const EN: Words = Words {
    register: "Registration",
    register_button: "Register",
    registered: "You are registered",
    registered_text: "You can place orders now. Your name for logging in is shown below.",
    log_in: "Log in",
    log_out: "Log out",
    account: "My account",
    have_account: "Already registered? Log in",
    no_account: "Register",
    first_name: "First name",
    last_name: "Last name",
    email: "E-mail",
    phone: "Phone",
    phone_hint: "With the country code, such as +7 999 000-00-00",
    password: "Password",
    password_hint: "At least 8 characters. Several random words do well",
    login_name: "Name for logging in, e-mail or phone",
    username: "Name for logging in",
    username_hint: "We have chosen it for you; you can change it",
    consent: "I agree to the processing of my personal data for carrying out my orders",
    consent_missing: "Without your consent we cannot keep your data",
    mistakes: "Correct the marked fields",
    expired_form: "The page is out of date. Send the form again",
    sessions: "Where you are logged in",
    this_device: "this device",
    no_device: "A device without a name",
    end_session: "End",
    used_at: "Last used:",
    change_password: "Change the password",
    old_password: "Current password",
    new_password: "New password",
    password_ends_sessions: "You will have to log in again on all other devices",
};
