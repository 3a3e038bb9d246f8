"""Writers of the results formats that the benchmarks read."""

from mmdet_vis.data.formats.davis_png import index_maps, read_index_png, write_davis_pngs
from mmdet_vis.data.formats.ytvis_results import sequence_annotations, write_results

__all__ = ["index_maps", "read_index_png", "sequence_annotations", "write_davis_pngs", "write_results"]
