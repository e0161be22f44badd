//! Exchanges as commands and programs. In: an exchange. Out: curl, httpie, Python, raw HTTP.
