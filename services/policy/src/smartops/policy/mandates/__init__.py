"""Words of people given beforehand: voices handed over, classes of plans agreed to."""
