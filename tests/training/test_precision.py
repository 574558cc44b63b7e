"""Which devices multiply bfloat16 by instructions of their own."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.training.ensemble import has_fast_bfloat16


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, False),
        ({"amx_bf16": True}, True),
        ({"amx_int8": True}, False),
    ],
)
def test_a_processor_is_fast_where_it_has_an_instruction_for_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert has_fast_bfloat16(torch.device("cpu")) is fast


@pytest.mark.parametrize("supported", [True, False])
def test_a_cuda_device_is_fast_where_it_does_not_emulate(monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported
    )
    assert has_fast_bfloat16(torch.device("cuda")) is supported


@pytest.mark.parametrize("kind", ["mps", "meta"])
def test_other_devices_are_not_asked(kind: str) -> None:
    assert has_fast_bfloat16(torch.device(kind)) is False
