"""The command line, settings, sending, and the screen."""
