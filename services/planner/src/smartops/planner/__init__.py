"""Turns an intent into an evidence-backed, phased plan."""
