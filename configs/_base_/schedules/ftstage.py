# Finetuning stage of the published rows. train.base_batch_size is the batch that the learning rate is meant for: the
# original's 4 GPUs times its images per GPU. Fewer or more processes scale it linearly; with train.accumulate=4 one GPU
# works through four batches per step, which makes the batch of four.
train_cfg = dict(max_epochs=4)
val_cfg = None  # the annotations of the validation sets are not public
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.00005 * 4 / 6, momentum=0.9, weight_decay=0.0001),
    clip_grad=dict(max_norm=35, norm_type=2),
    precision="float32",
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1 / 3, by_epoch=False, begin=0, end=10),
    dict(type="MultiStepLR", by_epoch=True, milestones=[2], gamma=0.1),
]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=50),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, max_keep_ckpts=3),
)
