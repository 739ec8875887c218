//! What clients ask for: the fields of requests.

use super::content::{LINES_MAX, QUANTITY_MAX, SeenLine, Wanted};
use super::shop_order::Status;
use crate::Refusal;
use crate::form::{Fault, Form};
use crate::product_id::ProductId;

/// The longest id of an order that a caller chooses, in characters.
pub const REFERENCE_CHARACTERS_MAX: usize = 64;

/// The longest name of a product that a caller may repeat, in characters.
pub const NAME_CHARACTERS_MAX: usize = 300;

/// A new order.
#[derive(Debug)]
pub struct Place {
    /// How the caller names it; the client's basket without it.
    pub reference: Option<String>,
    pub wanted: Vec<Wanted>,
}

/// A change of an order.
#[derive(Debug)]
pub struct Change {
    /// Its number, or how the caller names it.
    pub id: String,
    pub version: u64,
    /// What is to be set.
    pub wanted: Vec<Wanted>,
    /// What the caller thinks that it has.
    pub seen: Option<Vec<SeenLine>>,
    pub status: Option<Status>,
}

/// Reads the lines. `least` is the least quantity. What a caller has seen may
/// have names and prices.
fn lines(form: &mut Form, least: u64, is_seen: bool) -> Option<Vec<SeenLine>> {
    let line = |form: &mut Form| {
        // Ids of lines are ours: what a line is about is its product.
        form.optional_whole("id", 0, u64::from(u32::MAX));
        let product = form.optional_object("product", |form| {
            let id = form.optional_whole("id", 1, ProductId::MAX);
            form.need("id", id.is_some());
            let mut price = None;
            if is_seen {
                // Names may have been corrected since.
                form.optional("name", NAME_CHARACTERS_MAX);
                price = form.optional_amount("price");
            }
            Some((id.and_then(ProductId::new)?, price))
        });
        form.need("product", product.is_some());
        let quantity = form.optional_whole("quantity", least, QUANTITY_MAX);
        form.need("quantity", quantity.is_some());
        let ((product, price), quantity) = product.zip(quantity)?;
        Some(SeenLine { wanted: Wanted { product, quantity }, price })
    };
    form.objects("orderItems", LINES_MAX, line)
}

/// Lines of one product become one.
fn summed(lines: Vec<SeenLine>, form: &mut Form) -> Vec<Wanted> {
    let mut summed: Vec<Wanted> = Vec::with_capacity(lines.len());
    for SeenLine { wanted: line, .. } in lines {
        match summed.iter_mut().find(|one| one.product == line.product) {
            Some(one) => one.quantity += line.quantity,
            None => summed.push(line),
        }
    }
    if summed.iter().any(|line| line.quantity > QUANTITY_MAX) {
        let _: Option<()> = form.refuse("orderItems", Fault::NotWhole(1, QUANTITY_MAX));
    }
    summed
}

impl Place {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Place, Refusal> {
        let reference = form.optional_id("id", REFERENCE_CHARACTERS_MAX);
        let wanted = lines(&mut form, 1, false).map(|lines| summed(lines, &mut form));
        form.whole(wanted.map(|wanted| Place { reference, wanted })).map_err(Refusal::Fields)
    }
}

impl Change {
    /// Reads the fields of a request that sets lines.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn of_lines(form: Form) -> Result<Change, Refusal> {
        Change::read(form, true)
    }

    /// Reads the fields of a request that may repeat the order's lines.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn of_order(form: Form) -> Result<Change, Refusal> {
        Change::read(form, false)
    }

    fn read(mut form: Form, sets: bool) -> Result<Change, Refusal> {
        let id = form.optional_id("id", REFERENCE_CHARACTERS_MAX);
        form.need("id", id.is_some());
        let version = form.optional_whole("version", 0, u64::from(u32::MAX));
        form.need("version", version.is_some());
        let status = if form.has("status") { form.choice("status", Status::NAMES) } else { None };
        let status = status.and_then(Status::named);
        let lines = if sets || form.has("orderItems") {
            lines(&mut form, u64::from(!sets), !sets)
        } else {
            None
        };
        let mut products: Vec<ProductId> =
            lines.iter().flatten().map(|line| line.wanted.product).collect();
        let count = products.len();
        products.sort_unstable();
        products.dedup();
        if products.len() < count {
            let _: Option<()> = form.refuse("orderItems", Fault::Repeated);
        }
        let change = id.zip(version).map(|(id, version)| {
            let wanted = lines.iter().flatten().map(|line| line.wanted);
            let wanted = if sets { wanted.collect() } else { Vec::new() };
            Change { id, version, wanted, seen: lines.filter(|_| !sets), status }
        });
        form.whole(change).map_err(Refusal::Fields)
    }
}
