"""The families of models that can be read, by the ``model_type`` of their config."""

from .albert import ALBERT as ALBERT
from .bert import BERT as BERT
from .family import Family as Family
from .gpt2 import GPT2 as GPT2

FAMILIES = {family.name: family for family in (GPT2, BERT, ALBERT)}
