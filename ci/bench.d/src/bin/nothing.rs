//! Does nothing, as a yardstick: what a program of this workspace costs from exec to exit.

fn main() {}
