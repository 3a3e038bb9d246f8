# COCO stills of the categories that YouTube-VIS 2019 shares, as pseudo-videos, beside its videos.
_base_ = "./youtubevis19.py"
# Classes that COCO lacks are not named: none of its objects belongs to them.
shared = dict(
    person=["person"], skateboard=["skateboard"], sedan=["car"], dog=["dog"], cat=["cat"], cow=["cow"],
    train=["train"], horse=["horse"], bear=["bear"], motorbike=["motorcycle"], giraffe=["giraffe"],
    surfboard=["surfboard"], airplane=["airplane"], truck=["truck"], zebra=["zebra"], elephant=["elephant"],
    snowboard=["snowboard"], boat=["boat"], tennis_racket=["tennis racket"],
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
                categories="youtube_vis_2019",
                category_map=shared,
                # Its birds may be ducks or owls, and fish, hands and many others have no annotation: the background
                # is learnt from the videos.
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
                ann_file="train_ytv19.json",
                img_prefix="trainset_ytv19",
                categories="youtube_vis_2019",
                pipeline=[dict(type="ClipResize", scales=[(640, 360)]), dict(type="ClipFlip", prob=0.5)],
            ),
        ],
    )
)
