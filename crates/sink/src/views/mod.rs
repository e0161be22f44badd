//! Bodies laid out for people. In: a media type and bytes. Out: lines.
