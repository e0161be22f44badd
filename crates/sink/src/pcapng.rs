//! pcapng files, written live. In: events. Out: packets, secrets, names and comments that Wireshark opens as they are.
