"""MQTT 3.1.1 as a client: one link to a broker that comes back by itself."""
