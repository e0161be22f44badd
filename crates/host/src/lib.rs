//! Change this machine and restore it: journal, trust stores, namespaces, processes.
