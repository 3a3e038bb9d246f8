"""The network's graphs in other runtimes: what runs is theirs, what decides stays as it is."""

from mmdet_vis.models.runtimes.graphs import EXACT, Graph, graphs_of
from mmdet_vis.models.runtimes.use import RunGraph, use_graphs

__all__ = ["EXACT", "Graph", "RunGraph", "graphs_of", "use_graphs"]
