"""XLM-RoBERTa: RoBERTa over another vocabulary."""

from dataclasses import replace

from .roberta import FAMILY as ROBERTA

FAMILY = replace(ROBERTA, name="xlm-roberta")
