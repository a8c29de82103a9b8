"""Helpers that several experiments use."""
