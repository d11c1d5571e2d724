"""What a trial is and how it is computed."""
