//! Suites as lists of cases, and the tests generated from them.

/// Lists the cases of a suite: those of its own file first, then those of each module below it.
///
/// Each case becomes a public function of the module `cases`, which takes the adapter. The list becomes a macro of the
/// suite's name, by which [`contract_tests!`](crate::contract_tests) knows the cases in other crates.
macro_rules! suite {
    ($($list:tt)*) => { suite_with_dollar! { ($) $($list)* } };
}

/// `suite!` with a dollar sign as a parameter, which a macro needs to define a macro with parameters.
macro_rules! suite_with_dollar {
    (
        ($d:tt)
        $suite:ident($adapter:ident: $type:ty) calls $arguments:tt { $($case:ident),* $(,)? }
        $($module:ident { $($inner:ident),* $(,)? })*
    ) => {
        /// The cases of this suite. Each panics at the first broken promise.
        pub mod cases {
            use super::*;

            $(
                #[doc = concat!("Runs the case `", stringify!($case), "` on an adapter of its own.")]
                pub async fn $case($adapter: $type) {
                    super::$case $arguments.await;
                }
            )*
            $($(
                #[doc = concat!("Runs the case `", stringify!($inner), "` on an adapter of its own.")]
                pub async fn $inner($adapter: $type) {
                    super::$module::$inner $arguments.await;
                }
            )*)*
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $suite {
            ($d($d name:ident: $d open:expr),+ $d(,)?) => {
                mod $suite {
                    #[allow(unused_imports, reason = "only the code that opens an adapter may need them")]
                    use super::*;

                    $(
                        mod $case {
                            #[allow(unused_imports, reason = "only the code that opens an adapter may need them")]
                            use super::*;

                            $d(
                                #[::tokio::test]
                                async fn $d name() {
                                    $crate::$suite::cases::$case($d open).await;
                                }
                            )+
                        }
                    )*
                    $($(
                        mod $inner {
                            #[allow(unused_imports, reason = "only the code that opens an adapter may need them")]
                            use super::*;

                            $d(
                                #[::tokio::test]
                                async fn $d name() {
                                    $crate::$suite::cases::$inner($d open).await;
                                }
                            )+
                        }
                    )*)*
                }
            };
        }
    };
}

/// Generates a test for each case of the named suites on each of the named adapters:
/// `roles::holders_are_counted::sqlite`.
///
/// The expression beside a name opens a separate adapter for each test. It may await, and it refers to items by paths
/// from the root of the crate. The crate must depend on `tokio` with its macros.
///
/// ```
/// # mod support { pub fn two() -> [std::sync::Arc<dyn tenantry_cache::Cache>; 2] { unreachable!() } }
/// tenantry_testkit::contract_tests! {
///     on { memory: crate::support::two() }
///     cache
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! contract_tests {
    (on $adapters:tt $($suite:ident)+) => {
        $($crate::$suite! $adapters)+
    };
}
