"""Tell two kinds of cells apart: a training loop as many begin."""

import argparse

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """Two hidden layers."""

    def __init__(self, inputs: int, outputs: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
        )

    def forward(self, x):
        """Map x: (B, inputs) to scores (B, outputs)."""
        return self.layers(x)


def loaders(batch_size: int):
    """Return training and test batches."""
    inputs, targets = load_breast_cancer(return_X_y=True)
    parts = train_test_split(inputs, targets, test_size=0.2, random_state=0, stratify=targets)
    scaler = StandardScaler().fit(parts[0])
    train, test = (
        TensorDataset(torch.tensor(scaler.transform(x), dtype=torch.float32), torch.tensor(y))
        for x, y in (parts[::2], parts[1::2])
    )
    return DataLoader(train, batch_size, shuffle=True), DataLoader(test, 256)


def main() -> None:
    """Train, and print the accuracy of each epoch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(0)
    train, test = loaders(batch_size=32)
    net = Net(30, 2, options.width)
    optimizer = torch.optim.Adam(net.parameters(), lr=options.lr)
    loss = nn.CrossEntropyLoss()
    for epoch in range(options.epochs):
        net.train()
        for x, y in train:
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            right = sum((net(x).argmax(dim=1) == y).sum().item() for x, y in test)
        print(f"epoch {epoch + 1}: accuracy {right / len(test.dataset):.4f}")
    torch.save(net.state_dict(), "net.pt")


if __name__ == "__main__":
    main()
