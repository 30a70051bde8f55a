//! The socket under faults, and under bad input: a black box, judged by what its clients saw.

mod bad_frames;
mod floods;
mod foreign;
mod guest;
mod runs;
mod upgrade;
