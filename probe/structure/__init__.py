"""Where the states, the attention rows and the norms of a transformer are, found from one pass and not from names."""

from .blocks import Block as Block
from .blocks import NotReadableError as NotReadableError
from .finding import Structure as Structure
from .finding import structure_of as structure_of
from .norms import Norm as Norm
from .places import Place as Place
from .places import Site as Site
