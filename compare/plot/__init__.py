"""Pictures: functions that take data, draw on axes and return them; new axes where none are given."""

from compare.plot.coalescence import dendrogram as dendrogram
from compare.plot.coalescence import staircase as staircase
from compare.plot.collapse_times import collapse_speed as collapse_speed
from compare.plot.effects import forest as forest
from compare.plot.grid import sweep as sweep
from compare.plot.over_depth import attention_entropy as attention_entropy
from compare.plot.over_depth import clusters as clusters
from compare.plot.over_depth import cosine_histogram as cosine_histogram
from compare.plot.over_depth import effective_rank as effective_rank
from compare.plot.over_depth import energy as energy
from compare.plot.over_depth import mass_near_one as mass_near_one
from compare.plot.over_depth import persistence as persistence
from compare.plot.over_depth import sinkhorn_fiedler as sinkhorn_fiedler
from compare.plot.over_time import overlay as overlay
from compare.plot.tokens import sphere as sphere
