//! What the service takes and answers.

use http::StatusCode;

use super::phone::CODE_CHARACTERS_MAX;
use super::register::{CONSENT_CHARACTERS_MAX, NAME_CHARACTERS_MAX};
use super::reset::TOKEN_CHARACTERS_MAX;
use super::sign_in::LOGIN_CHARACTERS_MAX;
use crate::Refusal;
use crate::contract::{
    Answer, Body, Contract, Field, For, Member, MemberKind, Operation, Parameter, Place, Shape,
};
use crate::form::Fault;
use crate::username::USERNAME_CHARACTERS_MAX;

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "auth",
        about: "Who buys: registration, log-in, sessions, the own data",
        operations: operations(),
        bodies: BODIES,
    }
}

const OWN_NAMES: [Field; 2] = [
    Field::optional("firstName", Shape::Text(NAME_CHARACTERS_MAX), "The first name"),
    Field::optional("lastName", Shape::Text(NAME_CHARACTERS_MAX), "The last name"),
];
const PHONE: Field = Field::optional("phone", Shape::Phone, "The number, with its country code");
const PASSWORD: Field = Field::required("password", Shape::Password, "The password");
const LOGIN: Field = Field::required(
    "username",
    Shape::Text(LOGIN_CHARACTERS_MAX),
    "The username, the e-mail address or the telephone number",
);
const TOKEN: Field =
    Field::required("token", Shape::Text(TOKEN_CHARACTERS_MAX), "The last part of the link");

const CODE: Field =
    Field::required("code", Shape::Text(CODE_CHARACTERS_MAX), "The digits of the short message");

const REGISTRATION: &[Field] = &[
    Field::required(
        "username",
        Shape::Username(USERNAME_CHARACTERS_MAX),
        "The name to log in by. Others may see it",
    ),
    Field::required("password", Shape::Password, "At least 8 characters, and not easily guessed"),
    Field::required("email", Shape::Email, "The address. A letter asks to confirm it"),
    OWN_NAMES[0],
    Field::optional("fistName", Shape::Text(NAME_CHARACTERS_MAX), "The same as `firstName`"),
    OWN_NAMES[1],
    PHONE,
    Field::optional(
        "consent",
        Shape::Text(CONSENT_CHARACTERS_MAX),
        "The version of the text about personal data that the client has agreed to",
    ),
];

const CORRECTION: &[Field] = &[
    OWN_NAMES[0],
    OWN_NAMES[1],
    PHONE,
    Field::optional("email", Shape::Email, "A new address. It needs the password"),
    Field::optional("password", Shape::Password, "The password, for a new address"),
];

const PASSWORD_CHANGE: &[Field] =
    &[PASSWORD, Field::required("newPassword", Shape::Password, "The new password")];

const ROLE: &[Parameter] = &[Parameter {
    name: "role",
    place: Place::Query,
    is_required: false,
    about: "A role that the client must have: `picker`, `courier` or `operator`",
}];

const SESSION_ID: &[Parameter] = &[Parameter {
    name: "id",
    place: Place::Path,
    is_required: true,
    about: "The session's id in the list",
}];

const CLIENT: Answer = Answer { status: StatusCode::OK, body: Some("Client"), about: "The client" };
const OPENED: Answer = Answer {
    status: StatusCode::OK,
    body: Some("Client"),
    about: "The client. `Set-Cookie` begins a session",
};
const OWN_DATA: Answer =
    Answer { status: StatusCode::OK, body: Some("OwnData"), about: "The client's own data" };
const ENDED: Answer =
    Answer { status: StatusCode::OK, body: None, about: "The session has ended, if there was one" };
const DONE: Answer = Answer { status: StatusCode::NO_CONTENT, body: None, about: "Done" };

const BODIES: &[Body] = &[
    Body { name: "Client", about: "A client", members: MEMBERS },
    Body { name: "OwnData", about: "A client's own data", members: OWN_MEMBERS },
    Body {
        name: "Sessions",
        about: "A client's sessions, the latest first",
        members: &[Member {
            name: "items",
            kind: MemberKind::ListOf("Session"),
            about: "At most 100",
        }],
    },
    Body {
        name: "Session",
        about: "A session: the client on one device",
        members: &[
            text("id", "Ends the session by `DELETE /me/sessions/{id}`"),
            Member { name: "beganAt", kind: MemberKind::Time, about: "When it began" },
            Member { name: "usedAt", kind: MemberKind::Time, about: "Its last use, to the hour" },
            text_or_null("device", "What the device calls itself"),
            Member {
                name: "isCurrent",
                kind: MemberKind::Switch,
                about: "Whether the request belongs to it",
            },
        ],
    },
];

const MEMBERS: &[Member] = &[
    text("username", "The username"),
    text_or_null("firstName", "The first name"),
    text_or_null("lastName", "The last name"),
    text("email", "The e-mail address"),
    text_or_null("phone", "The telephone number: digits, with a plus if it is not Russian"),
];

const OWN_MEMBERS: &[Member] = &[
    text("username", "The username"),
    text_or_null("firstName", "The first name"),
    text_or_null("lastName", "The last name"),
    text("email", "The e-mail address"),
    text_or_null("phone", "The telephone number: digits, with a plus if it is not Russian"),
    Member {
        name: "emailVerified",
        kind: MemberKind::Switch,
        about: "Whether the client has proved to receive letters there",
    },
    Member {
        name: "phoneVerified",
        kind: MemberKind::Switch,
        about: "Whether the client has proved to receive short messages there",
    },
    text("language", "The language of letters: `ru` or `en`"),
    Member { name: "registeredAt", kind: MemberKind::Time, about: "When the client registered" },
];

const fn text(name: &'static str, about: &'static str) -> Member {
    Member { name, kind: MemberKind::Text, about }
}

const fn text_or_null(name: &'static str, about: &'static str) -> Member {
    Member { name, kind: MemberKind::TextOrNull, about }
}

fn limited() -> Refusal {
    Refusal::TooManyAttempts { wait_seconds: 60 }
}

fn weak(field: &'static str) -> Refusal {
    Refusal::WeakPassword { field, fault: Fault::Password(tillgate_identity::Unfit::Guessable) }
}

fn operations() -> Vec<Operation> {
    let mut all = of_visitors();
    all.extend(of_clients());
    all
}

/// Operations for anybody.
fn of_visitors() -> Vec<Operation> {
    vec![
        Operation {
            body: Some(&[LOGIN, PASSWORD]),
            about: "The session of the request ends. An unknown name and a wrong password are \
                    answered alike.",
            refusals: vec![Refusal::WrongLogin, limited()],
            ..Operation::new("POST", "/login", "login", "Log in", OPENED)
        },
        Operation {
            body: Some(REGISTRATION),
            about: "A letter asks to confirm the address.",
            refusals: vec![weak("password"), Refusal::LoginTaken, limited()],
            ..Operation::new("POST", "/register", "register", "Register", OPENED)
        },
        Operation::new("POST", "/logout", "logout", "Log out", ENDED),
        Operation {
            about: "The same as `POST /logout`. Links of other sites do not log out.",
            refusals: vec![Refusal::CrossSite],
            ..Operation::new("GET", "/logout", "logoutByLink", "Log out", ENDED)
        },
        Operation {
            body: Some(&[TOKEN]),
            about: "The link of a letter may be used again until it ends, after three days.",
            refusals: vec![Refusal::LinkNotValid],
            ..Operation::new(
                "POST",
                "/verify",
                "verify",
                "Confirm an address by the link of a letter",
                DONE,
            )
        },
        Operation {
            body: Some(&[LOGIN]),
            about: "The answer is the same whether or not there is such an account.",
            refusals: vec![limited()],
            ..Operation::new(
                "POST",
                "/reset",
                "askReset",
                "Ask for a letter to replace the password",
                DONE,
            )
        },
        Operation {
            body: Some(&[TOKEN, PASSWORD]),
            about: "All sessions end, and a new one begins. The link works for an hour, and once.",
            refusals: vec![weak("password"), Refusal::LinkNotValid],
            ..Operation::new("POST", "/reset/confirm", "reset", "Choose a new password", OPENED)
        },
    ]
}

/// Operations for clients who are logged in.
fn of_clients() -> Vec<Operation> {
    let all = about_own_data().into_iter().chain(about_sessions());
    all.map(|operation| Operation { callers: For::Clients, ..operation }).collect()
}

fn about_own_data() -> Vec<Operation> {
    vec![
        Operation {
            parameters: ROLE,
            about: "For other services: whose session it is, and whether the client has a role.",
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NoRole],
            ..Operation::new("GET", "/auth", "checkSession", "Check a session", CLIENT)
        },
        Operation::new("GET", "/me", "readOwnData", "Read the own data", OWN_DATA),
        Operation {
            body: Some(CORRECTION),
            about: "What is not sent stays; an empty name or number is removed. A new address \
                    needs the password, and is confirmed by a letter.",
            refusals: vec![Refusal::WrongLogin, limited()],
            ..Operation::new("PATCH", "/me", "correctOwnData", "Correct the own data", OWN_DATA)
        },
        Operation {
            about: "The code works for ten minutes, and may be tried five times.",
            refusals: vec![limited(), Refusal::NoPhone],
            ..Operation::new(
                "POST",
                "/verify/phone/send",
                "sendPhoneCode",
                "Send a code to the number",
                DONE,
            )
        },
        Operation {
            body: Some(&[CODE]),
            refusals: vec![Refusal::CodeNotValid, Refusal::NoPhone],
            ..Operation::new(
                "POST",
                "/verify/phone",
                "verifyPhone",
                "Confirm the number by its code",
                DONE,
            )
        },
        Operation {
            refusals: vec![limited()],
            ..Operation::new(
                "POST",
                "/verify/send",
                "sendVerification",
                "Send the letter again",
                DONE,
            )
        },
    ]
}

fn about_sessions() -> Vec<Operation> {
    vec![
        Operation {
            body: Some(PASSWORD_CHANGE),
            about: "All sessions end, and a new one begins.",
            refusals: vec![weak("newPassword"), Refusal::WrongLogin, limited()],
            ..Operation::new("POST", "/password", "changePassword", "Change the password", OPENED)
        },
        Operation {
            answer: Answer {
                status: StatusCode::OK,
                body: Some("Sessions"),
                about: "The sessions",
            },
            ..Operation::new("GET", "/me/sessions", "listSessions", "List the own sessions", DONE)
        },
        Operation {
            parameters: SESSION_ID,
            refusals: vec![Refusal::NotFound],
            ..Operation::new("DELETE", "/me/sessions/{id}", "endSession", "End one of them", DONE)
        },
    ]
}
