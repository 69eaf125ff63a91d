"""Stand-in for PiDNG, which has no wheel: Picamera2 needs it to save DNG files only."""
