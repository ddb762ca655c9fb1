"""The files of `docs/deploy`, and what the documents say of operating, tried as far as it goes."""
