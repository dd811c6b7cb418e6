"""The TOML plan: its schema, and what each table makes."""
