# Main stage: stills as pseudo-videos beside videos, from COCO weights of Mask R-CNN; the propagation head starts at
# random. The original released the result of this stage but not its recipe, so this one is ours.
_base_ = "./ftstage.py"
train_cfg = dict(_delete_=True, max_epochs=12)
optim_wrapper = dict(optimizer=dict(lr=0.005))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type="MultiStepLR", by_epoch=True, milestones=[8, 11], gamma=0.1),
]
