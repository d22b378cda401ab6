"""Networks, and the one-file format they are kept in."""
