"""The generic Redfish driver: every standard device class, no vendor's name."""
