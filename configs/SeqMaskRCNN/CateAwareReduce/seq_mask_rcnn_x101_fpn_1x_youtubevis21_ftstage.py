# ResNeXt-101 64x4d on YouTube-VIS 2021, category-aware reduction.
_base_ = [
    "../../_base_/models/seq_mask_rcnn_x101_fpn.py",
    "../../_base_/datasets/youtubevis21.py",
    "../../_base_/propose_reduce/ytvis_cate_aware.py",
    "../../_base_/runtime.py",
]
