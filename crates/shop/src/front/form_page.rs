//! Pages that consist of one form.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use super::Front;
use super::page::{Frame, with_pause};
use super::posted::Received;
use super::reply::faults_of;
use crate::Refusal;
use crate::service_client::Reply;

/// A field of a form.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    /// Of the input: `text`, `email`, `tel` or `password`.
    pub kind: &'static str,
    pub value: String,
    pub hint: &'static str,
    pub fault: Option<String>,
    pub is_required: bool,
    pub autocomplete: &'static str,
}

impl Field {
    /// A field that must be filled in.
    #[must_use]
    pub fn new(
        name: &'static str,
        label: &'static str,
        kind: &'static str,
        autocomplete: &'static str,
    ) -> Field {
        let (value, hint) = (String::new(), "");
        Field { name, label, kind, value, hint, fault: None, is_required: true, autocomplete }
    }

    #[must_use]
    pub fn optional(self) -> Field {
        Field { is_required: false, ..self }
    }

    #[must_use]
    pub fn hint(self, hint: &'static str) -> Field {
        Field { hint, ..self }
    }

    fn fault(&self) -> Option<&String> {
        self.fault.as_ref()
    }
}

/// A page with one form.
#[derive(Debug, Template)]
#[template(path = "form.html")]
pub struct FormPage {
    pub frame: Frame,
    /// The hidden field, which shows that the form is ours.
    pub token: String,
    pub title: &'static str,
    pub text: &'static str,
    pub action: String,
    pub fields: Vec<Field>,
    pub button: &'static str,
    /// Other pages: address and name.
    pub links: Vec<(&'static str, &'static str)>,
    /// What is wrong, if it is not about one field.
    pub problem: Option<String>,
}

impl FormPage {
    /// Fills in what was typed; passwords are not sent back.
    #[must_use]
    pub fn typed(mut self, received: &Received) -> FormPage {
        for field in self.fields.iter_mut().filter(|field| field.kind != "password") {
            received.posted.get(field.name).clone_into(&mut field.value);
        }
        self
    }

    /// Shows what a service says is wrong, each fault at its field.
    #[must_use]
    pub fn refused(mut self, reply: &Reply) -> FormPage {
        let mut faults = faults_of(reply);
        for field in &mut self.fields {
            field.fault = faults.remove(field.name);
        }
        let is_at_field = self.fields.iter().any(|field| field.fault.is_some());
        if !is_at_field {
            self.problem = reply.body()["detail"].as_str().map(str::to_owned);
        }
        self
    }
}

impl Front {
    /// Sends what was posted to a service, and shows the page again if it is
    /// refused.
    pub(super) async fn submit(
        &self,
        page: FormPage,
        received: &Received,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Reply, Response> {
        let page = page.typed(received);
        let show = |page: FormPage, status| self.page(&page, status, &received.visitor);
        if !received.is_ours {
            let problem = Some(page.frame.words.expired_form.into());
            return Err(show(FormPage { problem, ..page }, StatusCode::FORBIDDEN));
        }
        match self.auth.call(method, path, &received.caller, Some(body)).await {
            Ok(reply) if reply.status.is_success() => Ok(reply),
            Ok(reply) => Err(with_pause(show(page.refused(&reply), reply.status), &reply)),
            Err(refusal) => Err(self.out_of_order(page, &refusal, received)),
        }
    }

    fn out_of_order(&self, page: FormPage, refusal: &Refusal, received: &Received) -> Response {
        let problem = Some(refusal.text(received.language));
        let status = refusal.kind().0;
        self.page(&FormPage { problem, ..page }, status, &received.visitor)
    }
}
