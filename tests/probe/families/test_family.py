"""What each family says of itself is so."""

import pytest
import torch

from probe.architectures import architecture_of, options_of
from probe.families import FAMILIES

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_operators_are_there_where_the_family_says_so(family):
    architecture = architecture_of(family.name, "small")
    with torch.device("meta"):
        model = architecture._from_config(architecture.config_class(**SMALL), **options_of(architecture))
    if family.has_operators:
        assert len(family.projections(model)) == 2
    else:
        with pytest.raises(ValueError, match=family.name):
            family.projections(model)
