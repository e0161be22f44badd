//! The real programs: Debian's update command with its Java hook, certutil, keytool, curl, wget; on copies that nobody else sees.

mod clients;
mod debian;
mod edit;
mod java;
mod kill;
mod nss;
mod private;
