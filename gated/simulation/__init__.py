"""The gate's surroundings, simulated: people, optics, chips at register level, camera frames."""
