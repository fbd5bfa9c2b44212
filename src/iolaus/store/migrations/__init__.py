"""How a state database of any earlier version becomes one of this version (Alembic)."""
