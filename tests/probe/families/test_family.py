"""What each family says of itself is so."""

import pytest
import torch
import transformers

from probe.families import FAMILIES

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_operators_are_there_where_the_family_says_so(family):
    architecture = getattr(transformers, family.architecture)
    with torch.device("meta"):
        model = architecture._from_config(architecture.config_class(**SMALL), **family.options)
    if family.has_operators:
        assert len(family.projections(model)) == 2
    else:
        with pytest.raises(ValueError, match=family.name):
            family.projections(model)
