"""Registries of everything that a config can name.

Each is a child (scope ``mmdet_vis``) of mmengine's root registry of the same name, as in MMDetection 3: a config says
``dict(type="ResNet", ...)``, and ``dict(type="mmdet.ResNet", ...)`` reaches a module of an installed mmdet.
"""

from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import Registry

SCOPE = "mmdet_vis"

MODELS = Registry("model", parent=ROOT_MODELS, scope=SCOPE, locations=["mmdet_vis.models"])
DATASETS = Registry("dataset", parent=ROOT_DATASETS, scope=SCOPE, locations=["mmdet_vis.data.datasets"])
TRANSFORMS = Registry("transform", parent=ROOT_TRANSFORMS, scope=SCOPE, locations=["mmdet_vis.data"])
METRICS = Registry("metric", parent=ROOT_METRICS, scope=SCOPE, locations=["mmdet_vis.evaluation"])
TASK_UTILS = Registry("task util", parent=ROOT_TASK_UTILS, scope=SCOPE, locations=["mmdet_vis.propose_reduce"])
