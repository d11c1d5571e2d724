"""Make tables of records."""
