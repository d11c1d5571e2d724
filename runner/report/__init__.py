"""Tables and paired comparisons of records."""
