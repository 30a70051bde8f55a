//! Payment: how providers fail, lie and ask.
