"""Serial lines of hosts, as bytes: over SSH to the controller, and over its WebSocket."""
