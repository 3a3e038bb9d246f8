"""Attention keys of a fixed length, for propagation heads that are trained from nothing."""

from __future__ import annotations

import torch

from mmdet_vis.models.heads import SeqPropHead


def head(**options: float) -> SeqPropHead:
    torch.manual_seed(0)
    return SeqPropHead(
        c2_channels=8, c3_channels=8, in_channels=8, channels=8, key_channels=4, fuse_channels=8, **options
    )


def test_keys_have_the_length() -> None:
    made = head(key_norm=9.0)
    p2 = torch.randn(2, 8, 16, 24)
    keys, _ = made.memorize(p2, torch.rand(2, 64, 96))
    query, _ = made.query(p2)
    assert torch.allclose(keys.norm(dim=2), torch.full((2, 24), 9.0), atol=1e-4)
    assert torch.allclose(query.norm(dim=1), torch.full((2, 4, 6), 9.0), atol=1e-4)


def test_same_image_and_no_object_attends_to_itself_at_the_start() -> None:
    made = head(key_norm=30.0)
    with torch.no_grad():
        made.enc_pos.bias.zero_()
        p2 = torch.randn(1, 8, 16, 24)
        keys, _ = made.memorize(p2, torch.zeros(1, 64, 96))
        query, _ = made.query(p2)
        likeness = query[0].flatten(1).t() @ keys[0].t()
    assert likeness.argmax(dim=1).tolist() == list(range(24))


def test_published_keys_are_as_they_come() -> None:
    made = head()
    with torch.no_grad():
        p2 = torch.randn(1, 8, 16, 24)
        query, _ = made.query(p2)
        assert torch.equal(query, made.qry_atn_key(made.qry_fuse(p2)))
    assert set(made.state_dict()) == set(head(key_norm=1.0).state_dict())
    assert not torch.equal(made.qry_atn_key.weight, made.atn_key.weight)
