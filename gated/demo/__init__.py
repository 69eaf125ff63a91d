"""The demo: the composition of every process around a scenario. Top level, like the commands."""
