//! The command line, as a process of its own: what it prints, writes, keeps and exits with.

#[path = "../binary/mod.rs"]
mod binary;

mod bench;
mod export;
mod external;
mod files;
mod fuzz;
mod hostile_hosts;
mod let_listings;
mod lost_output;
mod output;
mod repl;
mod repl_terminal;
mod report;
mod tiering;
mod trace;
mod verbs;
