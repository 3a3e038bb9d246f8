"""Registries of everything that a config can name.

Each is a child (scope ``mmdet_vis``) of mmengine's root registry of the same name, as in MMDetection 3: a config says
``dict(type="ResNet", ...)``, and ``dict(type="mmdet.ResNet", ...)`` reaches a module of an installed mmdet.
"""

from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import Registry

SCOPE = "mmdet_vis"

MODELS = Registry("model", parent=ROOT_MODELS, scope=SCOPE, locations=["mmdet_vis.models"])
DATASETS = Registry(
    "dataset", parent=ROOT_DATASETS, scope=SCOPE, locations=["mmdet_vis.data.datasets", "mmdet_vis.data.training"]
)
TRANSFORMS = Registry("transform", parent=ROOT_TRANSFORMS, scope=SCOPE, locations=["mmdet_vis.data.training"])
METRICS = Registry("metric", parent=ROOT_METRICS, scope=SCOPE, locations=["mmdet_vis.evaluation"])
TASK_UTILS = Registry("task util", parent=ROOT_TASK_UTILS, scope=SCOPE, locations=["mmdet_vis.propose_reduce"])
HOOKS = Registry("hook", parent=ROOT_HOOKS, scope=SCOPE, locations=["mmdet_vis.engine.training"])
LOOPS = Registry("loop", parent=ROOT_LOOPS, scope=SCOPE, locations=["mmdet_vis.engine.training"])
OPTIM_WRAPPERS = Registry(
    "optim wrapper", parent=ROOT_OPTIM_WRAPPERS, scope=SCOPE, locations=["mmdet_vis.engine.training"]
)
