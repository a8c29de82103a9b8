"""What each family says of itself is so."""

import pytest
import torch

from probe.architectures import architecture_of, options_of
from probe.families import FAMILIES

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}

OWN = {"gpt_neo": {"attention_types": [[["global", "local"], 1]]}}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_block_has_projections(family):
    architecture = architecture_of(family.name, "small")
    with torch.device("meta"):
        config = architecture.config_class(**SMALL, **OWN.get(family.name, {}))
        model = architecture._from_config(config, **options_of(architecture))
    assert family.has_operators
    assert len(family.projections(model)) == 2
