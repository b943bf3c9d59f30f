//! The one integration-test binary: one link instead of many.

#![cfg_attr(test, expect(missing_docs, reason = "tests are read, not called"))]

mod calls;
mod imports;
mod samples;
mod tool;
