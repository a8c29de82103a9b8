"""Hypotheses, evidence, correction and verdicts."""
