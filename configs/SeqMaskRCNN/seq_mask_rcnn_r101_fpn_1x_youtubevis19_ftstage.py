# ResNet-101 on YouTube-VIS 2019.
_base_ = [
    "../_base_/models/seq_mask_rcnn_r101_fpn.py",
    "../_base_/datasets/youtubevis19.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/runtime.py",
]
