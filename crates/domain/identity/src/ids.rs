//! The ids that this crate declares.

tenantry_kernel::id!(
    /// A registration that waits for its address to be confirmed.
    RegistrationId
);
