//! Images read from every source, by hand-made archives and by real engines. In: images built here. Out: what is read of them.

mod build;
mod choice;
mod engines;
mod hostile;
mod lookalikes;
mod same;
mod watch;
