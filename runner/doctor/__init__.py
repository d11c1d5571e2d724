"""Find out what would be refused, before it is queued: `runner doctor`."""
