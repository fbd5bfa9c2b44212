"""A twin of a hall that exists: recorded or discovered machines, made to live again."""
