# COCO stills of the categories that YouTube-VIS 2021 shares, as pseudo-videos, beside its videos.
_base_ = "./youtubevis21.py"
# Classes that COCO lacks are not named: none of its objects belongs to them.
shared = dict(
    person=["person"], bear=["bear"], boat=["boat"], car=["car"], cat=["cat"], cow=["cow"], dog=["dog"],
    airplane=["airplane"], elephant=["elephant"], flying_disc=["frisbee"], giraffe=["giraffe"], horse=["horse"],
    motorbike=["motorcycle"], skateboard=["skateboard"], snowboard=["snowboard"], surfboard=["surfboard"],
    tennis_racket=["tennis racket"], train=["train"], truck=["truck"], zebra=["zebra"],
)  # fmt: skip
train = dict(
    dataset=dict(
        _delete_=True,
        type="MixedClips",
        weights=[1.0, 1.0],
        datasets=[
            dict(
                type="StillClips",
                ann_file="coco/annotations/instances_train2017.json",
                img_prefix="coco/train2017",
                categories="youtube_vis_2021",
                category_map=shared,
                # Its birds may be ducks or parrots, its mice are those of computers, and fish, deer and many others
                # have no annotation: the background is learnt from the videos.
                exhaustive=False,
                scales=[(640, 360)],
                copy_paste=dict(),
                pipeline=[
                    dict(type="ClipColor"),
                    dict(type="ClipBlur"),
                    dict(type="ClipFlip", prob=0.5),
                ],
            ),
            dict(
                type="YTVISClips",
                ann_file="train_ytv21.json",
                img_prefix="trainset_ytv21",
                categories="youtube_vis_2021",
                pipeline=[dict(type="ClipResize", scales=[(640, 360)]), dict(type="ClipFlip", prob=0.5)],
            ),
        ],
    )
)
