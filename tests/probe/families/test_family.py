"""What each family says of itself is so."""

import pytest
import torch
import transformers

from probe.families import FAMILIES

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}

OWN = {"gpt_neo": {"attention_types": [[["global", "local"], 1]]}}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_block_has_projections(family):
    architecture = getattr(transformers, family.architecture)
    with torch.device("meta"):
        model = architecture._from_config(
            architecture.config_class(**SMALL, **OWN.get(family.name, {})), **family.options
        )
    assert len(family.projections(model)) == 2
