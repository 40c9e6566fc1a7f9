//! The repository itself: its imports, its pages, its scripts and the layout of its tests.

#[path = "../binary/mod.rs"]
mod binary;

mod docs;
mod layers;
mod layout;
mod readme;
mod scripts;
