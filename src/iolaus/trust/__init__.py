"""Judging evidence: pure functions from bytes, anchors, references and a time to a verdict."""
