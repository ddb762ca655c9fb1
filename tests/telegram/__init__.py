"""A Bot API server on loopback, and a person with a phone, for the tests."""
