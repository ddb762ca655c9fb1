"""Account services: one behaviour for all of them, and parents whose accounts are opened there."""
