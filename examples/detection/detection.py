"""Pictures of handwritten digits in noise, torchvision's FCOS that finds and reads them, and a simple baseline."""

import torch
from pytorch_lightning import LightningModule
from scipy import ndimage
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSClassificationHead, FCOSHead, FCOSRegressionHead
from torchvision.transforms.functional import resize

from lightune.data import InMemoryData, Samples
from lightune.ranges import PositiveFloat, PositiveInt

SIDE, MOST = 64, 4  # pixels of a picture, digits in it


def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits (N, 1, 8, 8), from 0 to 1, and which they are (N,)."""
    known = load_digits()
    return torch.tensor(known.images, dtype=torch.float32).unsqueeze(1) / 16, torch.tensor(known.target)


class Scenes(InMemoryData):
    """One to four digits, 12 to 24 pixels high, some behind others, in a picture of 64 pixels of noise.

    Args:
        pictures: how many, > 0.
        batch_size: pictures a training batch.
    """

    kind, problem = "image", "regression"

    def __init__(self, pictures: PositiveInt = 1600, batch_size: int = 16) -> None:
        super().__init__(batch_size=batch_size, scaling="none", target_scaling="none")
        self.pictures = pictures

    def load(self) -> Samples:
        """Return pictures (N, 1, 64, 64), and boxes with classes (N, 20), -1 where there is none, float32."""
        (inks, known), chance = digits(), torch.Generator().manual_seed(0)
        pictures = 0.25 * torch.rand(self.pictures, 1, SIDE, SIDE, generator=chance)
        truth = torch.full((self.pictures, MOST, 5), -1.0)
        for picture, boxes in zip(pictures, truth, strict=True):
            for place in range(int(torch.randint(1, MOST + 1, (), generator=chance))):
                drawn = torch.rand(4, generator=chance)
                which, height = int(drawn[0] * len(inks)), int(12 + 13 * drawn[1])
                left, top = (drawn[2:] * (SIDE - height)).int().tolist()
                middle = torch.tensor([left, top]) + height / 2
                if (((boxes[:place, :2] + boxes[:place, 2:4]) / 2 - middle).norm(dim=1) < 12).any():
                    continue  # it would hide another
                ink = resize(inks[which], [height, height], antialias=True)
                rows, columns = (torch.nonzero(ink[0].amax(dim=axis) > 0.2).flatten() for axis in (1, 0))
                ends = left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1
                boxes[place] = torch.tensor([*ends, known[which]])
                torch.maximum(part := picture[:, top : top + height, left : left + height], ink, out=part)
        return Samples(pictures, truth.flatten(1))


def told(truth: Tensor) -> list[dict[str, Tensor]]:
    """Return boxes (n, 4) and classes (n,) of each picture, as torchvision and torchmetrics take them."""
    real = (boxes[boxes[:, 4] >= 0] for boxes in truth.view(-1, MOST, 5))
    return [{"boxes": boxes[:, :4], "labels": boxes[:, 4].long()} for boxes in real]


def blobs(picture: Tensor) -> dict[str, Tensor]:
    """Find digits by threshold and connected pixels, and read each as the class whose mean is the nearest."""
    inks, known = digits()
    means = torch.stack([inks[known == digit].mean(dim=0) for digit in range(10)]).flatten(1)
    marks, _ = ndimage.label(picture[0].numpy() > 0.35)
    spots = [spot for spot in ndimage.find_objects(marks) if spot[0].stop - spot[0].start > 6]
    cuts = [resize(picture[:, *spot], [8, 8], antialias=True).flatten() for spot in spots]
    far = torch.cdist(torch.stack([*cuts, torch.zeros(64)]), means)[: len(spots)]
    boxes = torch.tensor([[x.start, y.start, x.stop, y.stop] for y, x in spots]).view(-1, 4).float()
    return {"boxes": boxes, "labels": far.argmin(dim=1), "scores": -far.amin(dim=1)}


class Detector(LightningModule):
    """A small FCOS (Tian et al. 2019): every place of the features says what it lies in, and where its edges are.

    Args:
        width: channels of the body and of the heads, even, > 0.
        lr: highest learning rate.
    """

    def __init__(self, width: PositiveInt = 64, lr: PositiveFloat = 5e-3) -> None:
        super().__init__()
        self.lr, self.map = lr, nn.ModuleDict({part: MeanAveragePrecision() for part in ("validate", "test")})
        body, half, norm = nn.Sequential(), width // 2, nn.BatchNorm2d
        for before, after, stride in ((1, half, 2), (half, half, 1), (half, width, 2), *[(width, width, 1)] * 2):
            body.extend([nn.Conv2d(before, after, 3, stride, 1, bias=False), norm(after), nn.ReLU()])
        body.out_channels, head = width, FCOSHead(width, 1, 10, 2)
        head.classification_head = FCOSClassificationHead(width, 1, 10, 2, norm_layer=norm)
        head.regression_head = FCOSRegressionHead(width, 1, 2, norm_layer=norm)
        self.network = FCOS(body, 10, SIDE, SIDE, [0.3], [0.3], AnchorGenerator(((8,),), ((1.0,),)), head,
                            score_thresh=0.05, nms_thresh=0.5, detections_per_img=20)  # fmt: skip

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of classes, edges and centres."""
        loss = sum(self.network(list(batch[0]), told(batch[1])).values())
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Compare what is found with what is there."""
        self.map[self.trainer.state.stage.value].update(self.network(list(batch[0])), told(batch[1]))

    def on_validation_epoch_end(self) -> None:
        """Log the mean average precision: over the classes, and over overlaps from 0.5 to 0.95, as COCO has it."""
        stage = self.trainer.state.stage.value
        self.log(f"{stage.removesuffix('idate')}/map", self.map[stage].compute()["map"])
        self.map[stage].reset()

    test_step, on_test_epoch_end = validation_step, on_validation_epoch_end

    def configure_optimizers(self) -> dict:
        """Descend with AdamW, at a rate that rises and falls (Smith & Topin 2019)."""
        optimizer, steps = torch.optim.AdamW(self.parameters(), self.lr), self.trainer.estimated_stepping_batches
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}
