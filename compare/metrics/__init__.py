"""Measurements of a trajectory, by preset, and the nulls that they are held against."""
