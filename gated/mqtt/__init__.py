"""The way to an MQTT broker, for the uplink and for the collector."""
