"""What a trial changed of its process, put back after it."""
