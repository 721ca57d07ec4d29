"""Carries an approved plan out, phase by phase."""
