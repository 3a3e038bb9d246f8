# ResNet-50 on YouTube-VIS 2019, category-aware reduction.
_base_ = [
    "../../_base_/models/seq_mask_rcnn_r50_fpn.py",
    "../../_base_/datasets/youtubevis19.py",
    "../../_base_/propose_reduce/ytvis_cate_aware.py",
    "../../_base_/runtime.py",
]
