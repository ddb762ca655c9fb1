"""Text, updates and files that nobody should send, at every door."""
