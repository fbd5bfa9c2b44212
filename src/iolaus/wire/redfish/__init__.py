"""Redfish (DSP0266) southbound: transport, session, reading, paging, tasks, events."""
