_base_ = "./seq_mask_rcnn_r50_fpn.py"
model = dict(backbone=dict(depth=101))
