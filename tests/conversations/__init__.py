"""Conversations that read like the dialogue: the parent says, the parent reads."""
