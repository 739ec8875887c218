//! The parts of a contract.

use http::StatusCode;

use crate::Refusal;
use crate::form::BODY_BYTES_MAX;

/// A service with its operations.
#[derive(Debug)]
pub struct Contract {
    /// Its name, which is part of its paths.
    pub service: &'static str,
    pub about: &'static str,
    pub operations: Vec<Operation>,
    /// The bodies of its answers.
    pub bodies: &'static [Body],
}

/// What a service does at one path with one method.
#[derive(Debug)]
pub struct Operation {
    pub method: &'static str,
    /// The path behind the service's prefix.
    pub path: &'static str,
    /// Names it in programs that are made of the document.
    pub id: &'static str,
    pub summary: &'static str,
    pub about: &'static str,
    pub parameters: &'static [Parameter],
    /// The fields of the body, if it takes one.
    pub body: Option<&'static [Field]>,
    /// The fields of another form of the body, if it has two.
    pub other_body: Option<&'static [Field]>,
    pub callers: For,
    pub answer: Answer,
    /// Why it may be refused, beyond what is true of all operations.
    pub refusals: Vec<Refusal>,
}

/// A field of a body.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub is_required: bool,
    pub about: &'static str,
}

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// At most so many characters.
    Text(usize),
    /// The same; letters, digits and a few signs.
    Username(usize),
    Email,
    Phone,
    Password,
    /// True or false.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// At most so many Latin letters, digits, dots, hyphens and underscores.
    Id(usize),
    /// The number of an order.
    Order,
    /// A whole number between these two.
    Whole(u64, u64),
    /// A sum of money, as a number.
    Amount,
    /// The same; it may be zero.
    Cost,
    /// A day: 29.11.2026.
    Day,
    /// A time of a day: 13:00.
    Hour,
    /// An object with these fields.
    Object(&'static [Field]),
    /// A list of at most so many objects with these fields.
    Objects(&'static [Field], usize),
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    Anybody,
    /// Clients who are logged in.
    Clients,
    /// Other services, by their assertion.
    Services,
    /// Other services, and clients about what is theirs.
    Both,
}

/// A part of the path or the query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub is_required: bool,
    pub about: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
    Header,
}

/// The answer of an operation that succeeds.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub status: StatusCode,
    /// The name of its body, if it has one.
    pub body: Option<&'static str>,
    pub about: &'static str,
}

impl Answer {
    /// 200 with the body of this name.
    #[must_use]
    pub const fn with(body: &'static str, about: &'static str) -> Answer {
        Answer { status: StatusCode::OK, body: Some(body), about }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct Body {
    pub name: &'static str,
    pub about: &'static str,
    pub members: &'static [Member],
}

/// A member of the body of an answer.
#[derive(Debug)]
pub struct Member {
    pub name: &'static str,
    pub kind: MemberKind,
    pub about: &'static str,
}

/// A member with this name.
#[must_use]
pub const fn member(name: &'static str, kind: MemberKind, about: &'static str) -> Member {
    Member { name, kind, about }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    Text,
    TextOrNull,
    Time,
    TimeOrNull,
    Switch,
    Whole,
    WholeOrNull,
    /// A list of texts.
    Texts,
    /// A list of whole numbers, or null.
    WholesOrNull,
    /// A sum of money, as a number with two decimals.
    Amount,
    AmountOrNull,
    /// A body with this name.
    One(&'static str),
    OneOrNull(&'static str),
    /// A list of bodies with this name.
    ListOf(&'static str),
}

impl Operation {
    /// An operation for anybody, without parameters and a body.
    #[must_use]
    pub const fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        answer: Answer,
    ) -> Operation {
        Operation {
            method,
            path,
            id,
            summary,
            about: "",
            parameters: &[],
            body: None,
            other_body: None,
            callers: For::Anybody,
            answer,
            refusals: Vec::new(),
        }
    }

    /// All ways in which it may be refused.
    pub fn all_refusals(&self) -> impl Iterator<Item = &Refusal> {
        const OF_BODIES: &[Refusal] =
            &[Refusal::Fields(Vec::new()), Refusal::NotJsonType, Refusal::TooLarge(BODY_BYTES_MAX)];
        const OF_SESSIONS: &[Refusal] = &[Refusal::NoSession];
        const OF_ASKING: &[Refusal] = &[Refusal::NoAuthServer];
        const OF_SERVICES: &[Refusal] = &[Refusal::ForServices];
        const OF_CHANGES: &[Refusal] = &[Refusal::CrossSite];
        const OF_ALL: &[Refusal] = &[Refusal::Unavailable];
        let given = |is_so: bool, some: &'static [Refusal]| if is_so { some } else { &[] };
        let is_change = self.method != "GET";
        let asks_for_session = matches!(self.callers, For::Services | For::Both);
        given(self.body.is_some(), OF_BODIES)
            .iter()
            .chain(given(self.callers != For::Anybody, OF_SESSIONS))
            .chain(given(asks_for_session, OF_ASKING))
            .chain(given(self.callers == For::Services, OF_SERVICES))
            .chain(given(is_change, OF_CHANGES))
            .chain(&self.refusals)
            .chain(OF_ALL)
    }
}

impl Field {
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Field {
        Field { name, shape, is_required: true, about }
    }

    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Field {
        Field { name, shape, is_required: false, about }
    }
}
