//! Layers built byte by byte, applied into a root beside a canary that must never change.

mod bounds;
mod confined;
mod differ;
mod exact;
mod gnu_tar;
mod kit;
mod measure;
mod parser;
mod reserve;
mod sparse;
mod streams;
mod threats;
mod umoci;
mod unprivileged;
mod whiteouts;
