"""`runner doctor`: what would be refused, before it is queued."""
