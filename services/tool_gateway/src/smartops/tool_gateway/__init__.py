"""The one door to the systems operated on."""
