"""Asks devices and writes facts: discovery, collection, events."""
