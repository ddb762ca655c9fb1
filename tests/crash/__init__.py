"""The bot killed at any instant, and what must be true afterwards."""
