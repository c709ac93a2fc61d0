//! An example: invoices of a tenant, in a crate that Tenantry does not know.
//!
//! The crate declares its id, its action, its kind of target, its error code and its permission, and no crate of Tenantry changes for it.
//! A program that uses it composes [`VOCABULARY`] with those of the other crates.

use tenantry_kernel::{
    Action, Actor, Coded, Command, Context, CrateVocabulary, ErrorCode, Event, Journal, Requirement, StoreError,
    Target, TargetKind,
};

tenantry_kernel::id!(
    /// An invoice of a tenant.
    InvoiceId
);

tenantry_kernel::actions! {
    INVOICE_PAID "invoice.paid";
}

/// An invoice.
pub const INVOICE: TargetKind = TargetKind::declared("invoice");

tenantry_kernel::codes! {
    ALREADY_PAID "already_paid" Conflict "The invoice has been paid already.";
}

tenantry_kernel::permissions! {
    INVOICES_PAY "invoices:pay" [Admin] "Pay invoices.";
}

/// Every name that this crate declares.
pub const VOCABULARY: CrateVocabulary = CrateVocabulary {
    actions: ACTIONS,
    target_kinds: &[INVOICE],
    codes: CODES,
    permissions: PERMISSIONS,
    ..CrateVocabulary::of(env!("CARGO_PKG_NAME"))
};

impl From<InvoiceId> for Target {
    fn from(id: InvoiceId) -> Self {
        Self { kind: INVOICE, id: id.uuid() }
    }
}

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// The amount, in cents.
    pub amount_cents: i64,
    /// Whether it has been paid.
    pub is_paid: bool,
}

/// Why an invoice cannot be paid.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// It has been paid already.
    #[error("the invoice has been paid")]
    AlreadyPaid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for InvoiceError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::AlreadyPaid => ALREADY_PAID,
            Self::Store(error) => error.code(),
        }
    }
}

/// Pay an invoice.
#[derive(Debug, Clone, Copy)]
pub struct PayInvoice;

impl Command for PayInvoice {
    const REQUIRES: Requirement = Requirement::All(&[INVOICES_PAY]);
    const EVENTS: &'static [Action] = &[INVOICE_PAID];
}

/// Marks an invoice as paid. Fails with [`InvoiceError::AlreadyPaid`] when it is.
pub async fn pay_invoice(
    unit: &mut (impl Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    invoice: &mut Invoice,
) -> Result<(), InvoiceError> {
    if invoice.is_paid {
        return Err(InvoiceError::AlreadyPaid);
    }
    let event = Event::new(context, actor, INVOICE_PAID).target(invoice.id, None);
    unit.append_event(event.set("amountCents", invoice.amount_cents)).await?;
    invoice.is_paid = true;
    Ok(())
}
