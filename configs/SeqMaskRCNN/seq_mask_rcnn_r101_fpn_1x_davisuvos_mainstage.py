# Main stage of ResNet-101 on DAVIS-UVOS. Its starting weights, from MMDetection's COCO Mask R-CNN:
#   python tools/convert_checkpoint.py mask_rcnn_r101_fpn_2x_coco.pth pretrained/mask_rcnn_r101_coco.safetensors \
#       --from mmdet --to ours --drop-classes --config configs/SeqMaskRCNN/THIS_FILE
_base_ = [
    "../_base_/models/seq_mask_rcnn_r101_fpn.py",
    "../_base_/datasets/coco_davisuvos.py",
    "../_base_/propose_reduce/davis.py",
    "../_base_/schedules/mainstage.py",
    "../_base_/runtime.py",
]
model = dict(
    bbox_head=dict(num_classes=2), mask_head=dict(num_classes=2), train_cfg=dict(prop=dict(true_mask_share=0.5))
)
train = dict(batch_size=2, base_batch_size=16, num_workers=4)
load_from = "pretrained/mask_rcnn_r101_coco.safetensors"
