"""Several processes that hold one hall (docs/design/0009-many-processes-one-hall.md)."""
