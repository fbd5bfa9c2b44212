"""The one reconcile loop."""
