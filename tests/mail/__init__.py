"""The way out for e-mail, against a real server on loopback."""
