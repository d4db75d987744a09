//! Registers: values that several devices may set at once.
