"""What a parent types, read: one module a question (name, phone, code, password, birthdate)."""
