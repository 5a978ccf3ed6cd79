import pytest
import torch
from torch import nn

from lightune.models.transformer import TransformerBlock


def test_a_block_computes_what_torchs_own_does():
    torch.manual_seed(0)
    ours = TransformerBlock(8, 2, 12, "relu", 0.0)
    theirs = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, norm_first=True)
    pairs = {
        "self_attn.in_proj_weight": ours.attention.inputs.weight,
        "self_attn.in_proj_bias": ours.attention.inputs.bias,
        "self_attn.out_proj.weight": ours.attention.output.weight,
        "self_attn.out_proj.bias": ours.attention.output.bias,
        "linear1.weight": ours.feed_forward[0].weight,
        "linear1.bias": ours.feed_forward[0].bias,
        "linear2.weight": ours.feed_forward[2].weight,
        "linear2.bias": ours.feed_forward[2].bias,
    }
    theirs.load_state_dict(pairs, strict=False)
    x, hidden = torch.randn(3, 5, 8), torch.tensor([[False] * 5, [False, False, True, True, True], [False] * 5])
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x, ~hidden), theirs(x, src_key_padding_mask=hidden))


def test_what_is_not_attended_to_changes_no_other_vector():
    torch.manual_seed(0)
    block, x = TransformerBlock(8, 4, 8, "gelu", 0.0), torch.randn(1, 4, 8)
    attended = torch.tensor([[True, True, True, False]])
    before = block(x, attended)
    x[0, 3] = 100.0
    torch.testing.assert_close(block(x, attended)[:, :3], before[:, :3])
    x[0, 2] = 100.0
    assert not torch.allclose(block(x, attended)[:, :2], before[:, :2])


def test_heads_that_do_not_divide_a_vector_are_refused():
    with pytest.raises(ValueError, match="heads must divide embedding=10, got 4"):
        TransformerBlock(10, 4, 8, "relu", 0.0)
