//! What every payment system's adapter must do, each promise a function.
