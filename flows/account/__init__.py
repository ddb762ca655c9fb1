"""The conversation about an account that exists: same files, same shapes as one floor up."""
