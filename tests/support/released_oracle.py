"""The released AGBAN module in PyTorch, written from its description; the names of its arrays are the released ones."""

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

START, STOP = -2, -1
OBJECTS = 3
TOKENS, POSTS = 64439, 4000


class WeightNorm(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_g = nn.Parameter(torch.ones(()))
        self.weight_v = nn.Parameter(torch.ones(outputs, inputs))

    def forward(self, x):
        return x @ (self.weight_g * self.weight_v / self.weight_v.pow(2).sum().sqrt()).T + self.bias


class Net(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.main = nn.Sequential(*modules)

    def forward(self, x):
        return self.main(x)


class Logits(nn.Module):
    def __init__(self, width, rank, glimpses, drop):
        super().__init__()
        self.v_net = Net(nn.Dropout(drop), WeightNorm(width, 3 * rank), nn.ReLU())
        self.q_net = Net(nn.Dropout(drop), WeightNorm(width, 3 * rank), nn.ReLU())
        self.h_mat_g = nn.Parameter(torch.ones(()))
        self.h_mat_v = nn.Parameter(torch.ones(1, glimpses, 1, 3 * rank))
        self.h_bias = nn.Parameter(torch.ones(1, glimpses, 1, 1))

    def forward(self, objects, tokens):
        h_mat = self.h_mat_g * self.h_mat_v / self.h_mat_v.pow(2).sum().sqrt()
        return torch.einsum("xhyk,bvk,bqk->bhvq", h_mat, self.v_net(objects), self.q_net(tokens)) + self.h_bias


class Attention(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.logits = Logits(*arguments)

    def forward(self, objects, tokens, object_mask):
        absent = ~object_mask[:, None, :, None]
        logits = self.logits(objects, tokens).masked_fill(absent, -1e9)
        return logits.flatten(2).softmax(-1).reshape(logits.shape).masked_fill(absent, 0.0)


class CRF(nn.Module):
    def __init__(self, labels):
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(labels, labels))

    def losses(self, scores, lengths, gold):
        """Negative log-likelihoods, token by token and post by post."""
        rows = []
        for row, n in enumerate(lengths):
            best = score = None
            for t in range(n):
                moves = scores[row, t] + self.transitions
                best = moves[START] if t == 0 else torch.logsumexp(best[:, None] + moves, 0)
                step = moves[START, gold[row, 0]] if t == 0 else moves[gold[row, t - 1], gold[row, t]]
                score = step if t == 0 else score + step
            total = torch.logsumexp(best + self.transitions[:, STOP], 0)
            rows.append(total - score - self.transitions[gold[row, n - 1], STOP])
        return torch.stack(rows)

    def decode(self, scores, lengths):
        paths = []
        for row, n in enumerate(lengths):
            best, pointers = self.transitions[START] + scores[row, 0], []
            for t in range(1, n):
                best, came_from = (best[:, None] + self.transitions + scores[row, t]).max(0)
                pointers.append(came_from)
            path = [int((best + self.transitions[:, STOP]).argmax())]
            for came_from in reversed(pointers):
                path.insert(0, int(came_from[path[0]]))
            paths.append(path)
        return paths


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return -grad


def feed_forward(*widths):
    modules = []
    for inputs, outputs in zip(widths[:-2], widths[1:-1], strict=True):
        modules += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(*widths[-2:]))


class Released(nn.Module):
    """The module, in double precision; lambda is 1.

    Args:
        words, chars, labels: rows of the tables, and scores of a token.
        glimpses: rounds of the attention.
        drop: rate of every dropout.
    """

    def __init__(self, words=300, chars=60, labels=12, glimpses=1, drop=0.0):
        super().__init__()
        self.char_embeddings = nn.Embedding(chars, 30)
        self.char_lstm = nn.LSTM(30, 25, batch_first=True, bidirectional=True)
        self.word_embeddings = nn.Embedding(words, 200)
        self.word_lstm = nn.LSTM(250, 100, batch_first=True, bidirectional=True)
        self.v_att = Attention(200, 200, glimpses, drop)
        rounds = range(glimpses)
        self.b_net = nn.ModuleList([Net(nn.Dropout(drop), WeightNorm(200, 200), nn.ReLU()) for _ in rounds])
        self.g_t_prj = nn.ModuleList([Net(WeightNorm(200, 200)) for _ in rounds])
        self.g_v_prj = nn.ModuleList([Net(WeightNorm(200, 200)) for _ in rounds])
        self.g_prj = nn.ModuleList([Net(WeightNorm(400, 200)) for _ in rounds])
        self.cat_bn = nn.BatchNorm1d(200)
        self.hidden2tag = nn.Linear(200, labels)
        self.crf = CRF(labels)
        self.map_to_text = feed_forward(1024, 512, 256, 200)
        self.modal_clf = feed_forward(200, 100, 50, 2)
        seen = POSTS * OBJECTS
        weight = torch.tensor([TOKENS / (TOKENS + seen), seen / (TOKENS + seen)])
        self.modal_clf_loss = nn.CrossEntropyLoss(weight=weight, reduction="sum", ignore_index=-1)
        self.double()

    def forward(self, batch):
        """Scores `[B, n, labels]`, attention `[B, g, k, n]`, textual and visual loss."""
        tokens, objects = torch.as_tensor(batch["token_mask"]), torch.as_tensor(batch["visual_mask"])
        text = self.read(batch, tokens)
        features = torch.as_tensor(batch["visual_features"]).double()
        visual = self.map_to_text(features.flatten(0, 1)).unflatten(0, objects.shape)
        textual_loss = self.classify(text, tokens, 1)
        visual_loss = self.classify(visual, objects, 0)
        attention = self.v_att(visual, text, objects)
        for g in range(attention.shape[1]):
            b = attention[:, g].transpose(1, 2) @ self.b_net[g](visual)
            both = torch.cat([self.g_t_prj[g](text), self.g_v_prj[g](b)], -1)
            text = torch.sigmoid(self.g_prj[g](both)) * b + text
        text = self.cat_bn(text.transpose(1, 2)).transpose(1, 2)
        return self.hidden2tag(text), attention, textual_loss, visual_loss

    def read(self, batch, mask):
        chars = torch.as_tensor(batch["char_ids"]).long()[mask]
        packed = pack_padded_sequence(
            self.char_embeddings(chars), (chars > 0).sum(1), batch_first=True, enforce_sorted=False
        )
        _, (last, _) = self.char_lstm(packed)
        features = torch.zeros(*mask.shape, 50, dtype=torch.float64)
        features[mask] = torch.cat([last[0], last[1]], -1)
        words = self.word_embeddings(torch.as_tensor(batch["word_ids"]).long())
        packed = pack_padded_sequence(
            torch.cat([words, features], -1), mask.sum(1), batch_first=True, enforce_sorted=False
        )
        return pad_packed_sequence(self.word_lstm(packed)[0], batch_first=True, total_length=mask.shape[1])[0]

    def classify(self, features, mask, label):
        logits = self.modal_clf(Reverse.apply(features).flatten(0, 1))
        return self.modal_clf_loss(logits, torch.where(mask, label, -1).flatten())

    def load(self, arrays):
        self.load_state_dict({name: torch.as_tensor(np.asarray(array)) for name, array in arrays.items()})
        return self

    def arrays(self):
        return {name: tensor.detach().numpy().copy() for name, tensor in self.state_dict().items()}
