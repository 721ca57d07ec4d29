"""What carries calls to the world."""
