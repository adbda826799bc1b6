//! Helpers that Floodway's Rust tests share; a dev-dependency only.
