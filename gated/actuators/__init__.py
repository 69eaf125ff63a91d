"""The relay and its guard child, buzzer, lamps, voice."""
