//! A TCP proxy that can be told to fail.
