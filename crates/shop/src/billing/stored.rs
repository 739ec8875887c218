//! Stored data is compatible: every format that a release has written can be
//! read.
