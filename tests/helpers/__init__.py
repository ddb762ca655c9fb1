"""What makes a test read like the dialogue."""
