"""Simulated gates, many in one process: real records, real window, real MQTT sessions."""
