//! The ids that this crate declares.

tenantry_kernel::id!(
    /// Id of a registration that waits for the confirmation of its address.
    RegistrationId
);

tenantry_kernel::id!(
    /// Id of a guess of a password while it is in flight.
    GuessId
);
