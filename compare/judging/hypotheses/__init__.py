"""One hypothesis a file."""
