"""Several `sesame serve` that share one PostgreSQL, and are killed and added under load."""
