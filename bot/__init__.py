"""Channels, senders, settings and the command line: where real parts are chosen."""
