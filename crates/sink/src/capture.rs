//! Files that captures are written to. In: records. Out: files of mode 0600, rotated by size, time and number.
