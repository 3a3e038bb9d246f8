# Main stage of ResNeXt-101 64x4d on YouTube-VIS 2019. Its starting weights, from MMDetection's COCO Mask R-CNN:
#   python tools/convert_checkpoint.py mask_rcnn_x101_64x4d_fpn_2x_coco.pth pretrained/mask_rcnn_x101_coco.safetensors \
#       --from mmdet --to ours --drop-classes --config configs/SeqMaskRCNN/THIS_FILE
_base_ = [
    "../_base_/models/seq_mask_rcnn_x101_fpn.py",
    "../_base_/datasets/coco_youtubevis19.py",
    "../_base_/propose_reduce/ytvis.py",
    "../_base_/schedules/mainstage.py",
    "../_base_/runtime.py",
]
model = dict(train_cfg=dict(prop=dict(true_mask_share=0.5)))
train = dict(batch_size=2, base_batch_size=16, num_workers=4)
load_from = "pretrained/mask_rcnn_x101_coco.safetensors"
