"""The network: a small U-Net from channels to maps, and the form in which it is exported."""

import torch
from monai.networks.nets.basic_unet import BasicUNet
from torch import Tensor, nn
from torch.nn.functional import pad

from wakeline_models.card import Kind

WIDTHS = (24, 24, 48, 96, 128, 24)
"""Channels of the U-Net from half the working resolution down to a 32nd, and of its last layer."""

PIXEL_WIDTH = 16
"""Channels of the part that looks at each pixel's nearest surroundings alone."""


class MapNetwork(nn.Module):
    """A U-Net at half the working resolution, with maps at ``stride`` 1 or 2.

    Two by two working pixels are folded into channels at its entrance, and unfolded again at its
    exit for stride 1: four times cheaper than full resolution, and no pixel is lost. The first
    ``areas`` maps also get an answer from each pixel's nearest surroundings alone. That part is
    quick to train by itself, and draws fine outlines where colour tells object from background;
    the U-Net, which begins at 0, then only has to correct it.
    """

    def __init__(self, channels: int, maps: int, stride: int, areas: int) -> None:
        super().__init__()
        if areas and stride != 1:
            raise ValueError("areas are drawn at stride 1")
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
        unfold = 2 // stride
        last = nn.Conv2d(WIDTHS[-1], maps * unfold**2, 3, padding=1)
        if areas:
            nn.init.zeros_(last.weight)
        self.head = nn.Sequential(nn.ReLU(inplace=True), last, nn.PixelShuffle(unfold))
        self.pixels: nn.Module | None = None
        if areas:
            self.pixels = nn.Sequential(
                nn.Conv2d(channels, PIXEL_WIDTH, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(PIXEL_WIDTH, areas, 1),
            )
        self.others = maps - areas

    def forward(self, image: Tensor) -> Tensor:
        """From (N, C, H, W) to raw maps (N, M, H / stride, W / stride)."""
        maps: Tensor = self.head(self.body(self.fold(image)))
        return maps if self.pixels is None else maps + self.pixel_maps(image)

    def pixel_maps(self, image: Tensor) -> Tensor:
        """What the pixels' surroundings alone say: (N, M, H, W), 0 for maps that are no areas."""
        if self.pixels is None:
            raise ValueError("a network without areas has no pixel maps")
        return pad(self.pixels(image), (0, 0, 0, 0, 0, self.others))


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
