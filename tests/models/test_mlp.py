import pytest
import torch
from torch import nn

from lightune.models import MLP


def linears(model):
    return [
        (module.in_features, module.out_features) for module in model.modules() if isinstance(module, nn.Linear)
    ]


def test_layers_and_units_give_depth_and_width():
    assert linears(MLP([7], 3, layers=3, units=5)) == [(7, 5), (5, 5), (5, 5), (5, 3)]


def test_a_list_of_units_gives_each_layer_its_width():
    assert linears(MLP([7], 3, layers=2, units=[6, 4])) == [(7, 6), (6, 4), (4, 3)]


def test_images_are_flattened():
    model = MLP([3, 4, 5], 2, layers=1, units=8)
    assert linears(model)[0] == (60, 8)
    assert model(torch.zeros(9, 3, 4, 5)).shape == (9, 2)


def test_no_layers_make_a_linear_network():
    model = MLP([4], 2, layers=0)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(x), x @ model.output.weight.T + model.output.bias)


def test_plain_layers_feed_one_another():
    torch.manual_seed(0)
    model, x = MLP([4], 2, layers=2, units=3, activation="tanh"), torch.randn(5, 4)
    first, second = model.blocks[0][0], model.blocks[1][0]
    torch.testing.assert_close(model(x), model.output(torch.tanh(second(torch.tanh(first(x))))))


def test_residual_connections_add_each_layer_to_its_input():
    torch.manual_seed(0)
    model, x = MLP([4], 2, layers=1, units=4, activation="tanh", connections="residual"), torch.randn(5, 4)
    assert linears(model) == [(4, 4), (4, 2)]
    torch.testing.assert_close(model(x), model.output(x + torch.tanh(model.blocks[0][0](x))))


def test_residual_connections_project_where_widths_differ():
    torch.manual_seed(0)
    model = MLP([4], 2, layers=3, units=[6, 6, 3], activation="tanh", connections="residual")
    projected = [isinstance(shortcut, nn.Linear) for shortcut in model.shortcuts]
    assert projected == [True, False, True]
    assert model.shortcuts[0].bias is None
    x = torch.randn(5, 4)
    hidden = x @ model.shortcuts[0].weight.T + torch.tanh(model.blocks[0][0](x))
    hidden = hidden + torch.tanh(model.blocks[1][0](hidden))
    hidden = hidden @ model.shortcuts[2].weight.T + torch.tanh(model.blocks[2][0](hidden))
    torch.testing.assert_close(model(x), model.output(hidden))


def test_dense_connections_show_each_layer_everything_before_it():
    torch.manual_seed(0)
    model = MLP([4], 2, layers=2, units=[3, 5], activation="tanh", connections="dense")
    assert linears(model) == [(4, 3), (7, 5), (12, 2)]
    x = torch.randn(6, 4)
    first = torch.tanh(model.blocks[0][0](x))
    second = torch.tanh(model.blocks[1][0](torch.cat([x, first], dim=1)))
    torch.testing.assert_close(model(x), model.output(torch.cat([x, first, second], dim=1)))


@pytest.mark.parametrize("connections", ["plain", "residual", "dense"])
def test_every_parameter_learns(connections):
    torch.manual_seed(0)
    model = MLP([4], 2, layers=2, units=[6, 3], activation="tanh", batch_norm=True, connections=connections)
    model(torch.randn(8, 4)).square().sum().backward()
    # the bias of a layer before batch normalization is taken out again by it
    still = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert [name for name in still if not name.endswith(".0.bias")] == []


def test_batch_norm_stands_between_the_linear_layer_and_its_activation():
    kinds = [type(module) for module in MLP([4], 2, layers=1, units=3, batch_norm=True, dropout=0.5).blocks[0]]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout]


def test_without_batch_norm_and_dropout_a_layer_has_neither():
    assert [type(module) for module in MLP([4], 2, layers=1, units=3).blocks[0]] == [nn.Linear, nn.ReLU]


def test_dropout_drops_while_training_and_not_while_judging():
    torch.manual_seed(0)
    model, x = MLP([4], 2, layers=1, units=64, dropout=0.5), torch.randn(5, 4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_a_list_of_units_of_another_length_than_layers_is_refused():
    with pytest.raises(ValueError, match=r"units must be one number or a list of 3 \(layers=3\), got \[8, 8\]"):
        MLP([4], 2, layers=3, units=[8, 8])
