_base_ = "./seq_mask_rcnn_r50_fpn.py"
model = dict(
    backbone=dict(_delete_=True, type="ResNeXt", depth=101, groups=64, base_width=4, frozen_stages=1, norm_eval=True)
)
