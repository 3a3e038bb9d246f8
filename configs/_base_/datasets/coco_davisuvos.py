# COCO stills as pseudo-videos beside the videos of DAVIS unsupervised: every object is of its one category.
_base_ = "./davisuvos.py"
train = dict(
    dataset=dict(
        _delete_=True,
        type="MixedClips",
        # DAVIS has 60 videos to train on: most of what is to be learnt is in the stills.
        weights=[3.0, 1.0],
        datasets=[
            dict(
                type="StillClips",
                ann_file="coco/annotations/instances_train2017.json",
                img_prefix="coco/train2017",
                categories="davis_uvos",
                category_map=dict(object=["*"]),
                # An object of DAVIS may be of no category of COCO.
                exhaustive=False,
                scales=[(854, 480)],
                copy_paste=dict(),
                pipeline=[
                    dict(type="ClipColor"),
                    dict(type="ClipBlur"),
                    dict(type="ClipFlip", prob=0.5),
                ],
            ),
            dict(
                type="YTVISClips",
                ann_file="train_davis.json",
                img_prefix="trainvalset_davis",
                categories="davis_uvos",
                pipeline=[dict(type="ClipResize", scales=[(854, 480)]), dict(type="ClipFlip", prob=0.5)],
            ),
        ],
    )
)
