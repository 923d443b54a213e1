//! The built function over a bucket in this process, as the service runs it: one event at a time, frozen in between.

mod absence;
mod answers;
mod faults;
mod notices;
mod sleep;
mod world;
