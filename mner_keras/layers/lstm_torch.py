"""A bidirectional LSTM by torch's own kernel, which is fused on a GPU; Keras loops in Python on a CPU."""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def run(inputs, length, weights, training: bool):
    """Return the states at each step, `[B, n, 2H]`, and the last ones, `[B, 2H]`.

    Inputs are float32 `[B, n, d]`, the length int32 `[B]`: a row without steps is computed as one of a single step. The
    weights are kernel `[d, 4H]`, recurrent kernel `[H, 4H]` and bias `[4H]` of the forward, then of the backward LSTM.
    """
    packed = pack_padded_sequence(inputs, length.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    # The gates have one order in Keras and torch, whose second bias is zero here.
    parameters = [
        part
        for kernel, recurrent, bias in (weights[:3], weights[3:])
        for part in (kernel.T.contiguous(), recurrent.T.contiguous(), bias, torch.zeros_like(bias))
    ]
    zeros = inputs.new_zeros(2, len(inputs), weights[1].shape[0])
    states, last, _ = torch.lstm(
        packed.data, packed.batch_sizes, (zeros, zeros), parameters, True, 1, 0.0, training, True
    )
    states = PackedSequence(states, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    states, _ = pad_packed_sequence(states, batch_first=True, total_length=inputs.shape[1])
    last = last.index_select(1, packed.unsorted_indices)
    return states, torch.cat([last[0], last[1]], dim=-1)
