"""Whether a device multiplies bfloat16 faster than float32: the pretrained network is then fitted that way."""

from __future__ import annotations

import torch


def has_fast_bfloat16(place: torch.device) -> bool:
    """Tell whether matrix products in bfloat16 have instructions of their own there; elsewhere they are emulated."""
    if place.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if place.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
