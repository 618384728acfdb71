"""The network: a small U-Net from channels to maps, and the form in which it is exported."""

import torch
from monai.networks.nets.basic_unet import BasicUNet
from torch import Tensor, nn

from wakeline_models.card import Kind

WIDTHS = (24, 24, 48, 96, 128, 24)
"""Channels of the U-Net from half the working resolution down to a 32nd, and of its last layer."""


class MapNetwork(nn.Module):
    """A U-Net at half the working resolution, with maps at ``stride`` 1 or 2.

    Two by two working pixels are folded into channels at its entrance, and unfolded again at its
    exit for stride 1: four times cheaper than full resolution, and no pixel is lost.
    """

    def __init__(self, channels: int, maps: int, stride: int) -> None:
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
        unfold = 2 // stride
        last = nn.Conv2d(WIDTHS[-1], maps * unfold**2, 3, padding=1)
        with torch.no_grad():  # pixels that are unfolded from one cell begin as equals
            last.weight.copy_(last.weight[:: unfold**2].repeat_interleave(unfold**2, dim=0))
            last.bias.zero_()
        self.head = nn.Sequential(
            nn.ReLU(inplace=True),
            last,
            nn.PixelShuffle(unfold),
        )

    def forward(self, image: Tensor) -> Tensor:
        """From (N, C, H, W) to raw maps (N, M, H / stride, W / stride)."""
        maps: Tensor = self.head(self.body(self.fold(image)))
        return maps


class CardMaps(nn.Module):
    """A network that answers with the maps as a card describes them: probabilities and lengths."""

    def __init__(self, network: nn.Module, kind: Kind, classes: int) -> None:
        super().__init__()
        self.network = network
        self.kind = kind
        self.classes = classes

    def forward(self, image: Tensor) -> Tensor:
        """From (N, C, H, W) to maps (N, K + 4, H / stride, W / stride)."""
        raw = self.network(image)
        if self.kind == "boxes":
            return torch.cat([raw[:, : self.classes].sigmoid(), raw[:, self.classes :].exp()], 1)
        area = raw[:, : self.classes + 1].softmax(1)
        centre = raw[:, self.classes + 1 : self.classes + 2].sigmoid()
        return torch.cat([area, centre, raw[:, self.classes + 2 :]], 1)
