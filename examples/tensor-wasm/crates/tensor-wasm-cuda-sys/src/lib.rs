//! The driver's functions, from cuda.h.
#![allow(non_camel_case_types, non_upper_case_globals)]

include!(concat!(env!("OUT_DIR"), "/cuda.rs"));
