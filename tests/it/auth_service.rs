//! Auth's use cases on real stores, with a clock that the test moves.

mod accounts;
mod beginning;
mod fixture;
mod refresh;
mod sessions;
mod throttle;
mod wechat;
