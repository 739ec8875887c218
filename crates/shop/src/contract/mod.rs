//! The HTTP contracts of the services: what each operation takes and answers.
//! The OpenAPI document is made of them, and so are tests that send each field
//! of each request in every wrong form.

mod document;
mod operation;
#[cfg(test)]
pub mod trial;

pub use document::document;
pub use operation::{
    Answer, Body, Contract, Field, For, Member, MemberKind, Operation, Parameter, Place, Shape,
    member,
};
