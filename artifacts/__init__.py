"""What attempts leave on disk: records, and the store that holds them."""
