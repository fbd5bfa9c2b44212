"""Publish and subscribe between rooms; in-process by default."""
