# How to swap the backbone: any feature extractor of timm by name. The neck and the propagation head read their
# input channels from it.
_base_ = "./seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
model = dict(backbone=dict(_delete_=True, type="TimmBackbone", model_name="tf_efficientnet_lite0"))
