# How to swap the backbone: any feature extractor of timm by name. The neck and the propagation head read their
# input channels from it.
_base_ = "./seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
model = dict(backbone=dict(_delete_=True, type="TimmBackbone", model_name="tf_efficientnet_lite0"))
# The colours that its ImageNet weights expect, and no published weights to start from:
#   python tools/convert_checkpoint.py efficientnet-lite0.pth pretrained/tf_efficientnet_lite0_imagenet.safetensors \
#       --from efficientnet-lite --to ours --config THIS_FILE
data_preprocessor = dict(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
load_from = "pretrained/tf_efficientnet_lite0_imagenet.safetensors"
