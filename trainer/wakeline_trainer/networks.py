"""The network: a small U-Net from channels to maps, and the form in which it is exported."""

import torch
from monai.networks.nets.basic_unet import BasicUNet
from torch import Tensor, nn
from torch.nn.functional import pad

from wakeline_models.card import Kind

WIDTHS = (16, 24, 32, 48, 64, 16)
"""Channels of the U-Net from half the working resolution down to a 32nd, and of its last layer."""

RARE = -2.2
"""Logit of a centre before training: one cell in ten."""

PIXEL_WIDTH = 16
"""Channels of the part that looks at each pixel's nearest surroundings alone."""


class MapNetwork(nn.Module):
    """A U-Net at half the working resolution, with maps at ``stride`` 1 (masks) or 2 (boxes).

    Two by two working pixels are folded into channels at its entrance, and unfolded again at its
    exit for stride 1: four times cheaper than full resolution, and no pixel is lost. For masks,
    background and classes also get an answer from each pixel's nearest surroundings alone. That
    part is quick to train by itself, and draws fine outlines where colour tells object from
    background; the U-Net, which begins at 0, then only has to correct it.
    """

    def __init__(self, kind: Kind, channels: int, classes: int) -> None:
        super().__init__()
        self.fold = nn.PixelUnshuffle(2)
        self.body = BasicUNet(
            spatial_dims=2,
            in_channels=4 * channels,
            out_channels=WIDTHS[-1],
            features=WIDTHS,
            act=("relu", {"inplace": True}),
            norm=("group", {"num_groups": 8}),
            upsample="nontrainable",
        )
        unfold = 2 if kind == "instances" else 1
        maps = classes + (3 if kind == "instances" else 4)
        last = nn.Conv2d(WIDTHS[-1], maps * unfold**2, 3, padding=1)
        self.head = nn.Sequential(nn.ReLU(inplace=True), last, nn.PixelShuffle(unfold))
        self.pixels: nn.Module | None = None
        nn.init.zeros_(last.weight)
        if kind == "instances":
            self.pixels = nn.Sequential(
                nn.Conv2d(channels, PIXEL_WIDTH, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(PIXEL_WIDTH, classes + 1, 1),
            )
        elif last.bias is not None:
            nn.init.zeros_(last.bias)
            nn.init.constant_(last.bias[:classes], RARE)

    def forward(self, image: Tensor) -> Tensor:
        """From (N, C, H, W) to raw maps (N, M, H / stride, W / stride)."""
        maps: Tensor = self.head(self.body(self.fold(image)))
        return maps if self.pixels is None else maps + self.pixel_maps(image)

    def pixel_maps(self, image: Tensor) -> Tensor:
        """What the pixels' surroundings alone say of masks: (N, M, H, W), with vectors of 0."""
        if self.pixels is None:
            raise ValueError("boxes are not told from single pixels")
        return pad(self.pixels(image), (0, 0, 0, 0, 0, 2))


class CardMaps(nn.Module):
    """A network that answers with the maps as a card describes them: probabilities and lengths."""

    def __init__(self, network: nn.Module, kind: Kind, classes: int) -> None:
        super().__init__()
        self.network = network
        self.kind = kind
        self.classes = classes

    def forward(self, image: Tensor) -> Tensor:
        """From (N, C, H, W) to the card's maps (N, M, H / stride, W / stride)."""
        raw = self.network(image)
        if self.kind == "boxes":
            return torch.cat([raw[:, : self.classes].sigmoid(), raw[:, self.classes :].exp()], 1)
        return torch.cat([raw[:, :-2].softmax(1), raw[:, -2:]], 1)
