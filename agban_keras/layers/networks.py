"""AGBAN's players: `VisualProjector`, `ModalityClassifier`, `GradientReversal`, and those of the released code."""

import keras
from keras import ops

from mner_keras.layers.base import BaseLayer
from mner_keras.layers.checks import Count, check_strength


def linear_initializer() -> keras.initializers.Initializer:
    """Return a uniform initialiser within `1 / sqrt(rows)`, the default of linear layers in the authors' framework.

    The paper does not mention it, but with Keras' own Glorot initialisation, 1.7 times wider for a square matrix, table
    II's SGD (0.005 on a loss summed over the batch) diverges within ten steps on Twitter-2015.
    """
    return keras.initializers.VarianceScaling(scale=1 / 3, mode="fan_in", distribution="uniform")


def width_initializer(width: int) -> keras.initializers.Initializer:
    """Return a uniform initialiser within `1 / sqrt(width)`, for weights whose shape does not give the width."""
    return keras.initializers.RandomUniform(-(width**-0.5), width**-0.5)


@keras.saving.register_keras_serializable(package="agban_keras")
class MaskedNetwork(BaseLayer):
    """Apply dense layers with batch normalisation over the valid positions and relu between them.

    Inputs are `[B, m, f]`, the mask bool `[B, m]`, true for positions included in the batch statistics. A batch without
    valid positions (posts without pictures) leaves the moving statistics unchanged.

    Args:
        hidden: widths of the inner layers.
        units: width of the output.
    """

    def __init__(self, hidden: tuple[Count, ...], units: Count, **kwargs) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.inner = [self._dense(width) for width in hidden]
        # The released code's settings, in Keras' terms.
        self.norms = [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy) for _ in hidden]
        self.outer = self._dense(units)

    def build(self, input_shape) -> None:
        shape = tuple(input_shape)
        for dense, norm in zip(self.inner, self.norms, strict=True):
            dense.build(shape)
            shape = (*shape[:-1], dense.units)
            norm.build(shape)
        self.outer.build(shape)

    def call(self, inputs, mask=None, training=None):
        for dense, norm in zip(self.inner, self.norms, strict=True):
            inputs = ops.relu(_normalise(norm, dense(inputs), mask, training))
        return self.outer(inputs)

    def _dense(self, units: int) -> keras.layers.Dense:
        return keras.layers.Dense(units, kernel_initializer=linear_initializer(), dtype=self.dtype_policy)


def _normalise(norm: keras.layers.BatchNormalization, inputs, mask, training):
    if mask is None or not training:
        return norm(inputs, mask=mask, training=training)
    statistics = norm.non_trainable_variables
    before = [ops.copy(ops.convert_to_tensor(statistic)) for statistic in statistics]
    outputs = norm(inputs, mask=mask, training=training)
    # Keras takes the mean and the variance of an empty set as zero, and moves towards them.
    there = ops.any(ops.cast(mask, "bool"))
    for statistic, value in zip(statistics, before, strict=True):
        statistic.assign(ops.where(there, ops.convert_to_tensor(statistic), value))
    return outputs


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedNetwork(MaskedNetwork):
    """Apply a `MaskedNetwork` with biases initialised uniformly within `1 / sqrt(input width)`, like its matrices."""

    def build(self, input_shape) -> None:
        width = input_shape[-1]
        for dense in (*self.inner, self.outer):
            dense.bias_initializer = width_initializer(width)
            width = dense.units
        super().build(input_shape)


class _NetworkLayer(BaseLayer):
    """Base of layers with a network of `hidden` widths and `units` outputs."""

    network_class = MaskedNetwork
    units = 2

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.network = self.network_class(self.hidden, self.units, dtype=self.dtype_policy)

    def build(self, features_shape) -> None:
        self.network.build(features_shape)

    def compute_output_shape(self, features_shape, *_):
        return (*features_shape[:-1], self.units)


@keras.saving.register_keras_serializable(package="agban_keras")
class VisualProjector(_NetworkLayer):
    """Apply a feed-forward network to each object, `v = f_V(object)` (AGBAN eq. 7).

    Dense layers with batch normalisation (over the valid objects) and relu between them. The paper leaves the network
    open; the widths and the normalisation are the released code's.

    Args:
        units: width of the output.
        hidden: widths of the layers before it.

    Call arguments:
        objects: `[B, k, f]`.
        mask: bool `[B, k]`, true for objects.

    Returns:
        `[B, k, units]`.

    Example:

    >>> VisualProjector(200)(np.ones((2, 3, 1024))).shape
    TensorShape([2, 3, 200])
    """

    def __init__(self, units: Count, hidden: tuple[Count, ...] = (512, 256), **kwargs) -> None:
        super().__init__(**kwargs)

    def call(self, objects, mask=None, training=None):
        return self.network(objects, mask=mask, training=training)


@keras.saving.register_keras_serializable(package="agban_keras")
class ModalityClassifier(_NetworkLayer):
    """Classify each feature of a post: text (1) or picture (0).

    A three-layer feed-forward network D (AGBAN section III-D). Text and objects pass through it in one call: separate
    batch normalisation of each modality would hide the difference of their means. Its loss is
        L_adv = -1/(n+k) sum_i [ tau_i log D(o_i) + (1 - tau_i) log(1 - D(o_i)) ]     (eq. 8)

    over a post's n tokens and k objects.

    Args:
        hidden: widths of the inner layers (the released code's).

    Call arguments:
        features: `[B, m, d]`, tokens and objects along one axis.
        mask: bool `[B, m]`, true for valid positions.

    Returns:
        logits `[B, m, 2]`: picture, text.

    Example:

    >>> ModalityClassifier()(np.ones((2, 10, 200))).shape
    TensorShape([2, 10, 2])
    """

    def __init__(self, hidden: tuple[Count, ...] = (100, 50), **kwargs) -> None:
        super().__init__(**kwargs)

    def call(self, features, mask=None, training=None):
        return self.network(features, mask=mask, training=training)

    def loss(self, logits, is_text, mask):
        """Return L_adv of each post, `[B]`, in float32; 0 for a post without tokens and objects.

        Logits are `[B, m, 2]`, `is_text` bool `[m]` or `[B, m]`, the mask bool `[B, m]`.
        """
        log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        right = ops.where(is_text, log_probabilities[..., 1], log_probabilities[..., 0])
        there = ops.cast(mask, "float32")
        return -ops.sum(right * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)


@keras.saving.register_keras_serializable(package="agban_keras")
class ReleasedModalityClassifier(ModalityClassifier):
    """Classify each feature as text (1) or picture (0), one modality at a time.

    The network of `ModalityClassifier` runs on the tokens and then on the objects. In training each call is normalised
    by its own batch statistics, which removes the difference of the two means, and updates the moving ones once.

    Call arguments:
        features: `[B, n + k, d]`, the tokens followed by the objects.
        text_mask: bool `[B, n]`, true for positions included in the tokens' batch statistics.
        object_mask: bool `[B, k]`, true for positions included in the objects'.

    Returns:
        logits `[B, n + k, 2]`: picture, text.
    """

    network_class = ReleasedNetwork

    def call(self, features, text_mask, object_mask, training=None):
        tokens = ops.shape(text_mask)[1]
        text = self.network(features[:, :tokens], mask=text_mask, training=training)
        objects = self.network(features[:, tokens:], mask=object_mask, training=training)
        return ops.concatenate([text, objects], axis=1)


@keras.saving.register_keras_serializable(package="agban_keras")
class GradientReversal(BaseLayer):
    """Return the inputs and reverse their gradient.

    Equations (AGBAN eq. 24-25): `R(x) = x`, `dR/dx = -lambda I`.

    Args:
        strength: lambda, a number of at least 0; or `"schedule"`, which raises it with the training's progress p from
            0 to 1, `lambda = 2 / (1 + exp(-10 p)) - 1` (Ganin & Lempitsky 2015). The layer counts its training steps;
            `set_total_steps` sets their total, and without it lambda is 1.

    Call arguments:
        inputs: any shape.

    Returns:
        the inputs.

    Example:

    >>> float(GradientReversal()(np.float32(3.0)))
    3.0

    Reference:
        Ganin & Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015.
    """

    def __init__(self, strength: float | str = 1.0, **kwargs) -> None:
        check_strength("strength", strength, ("schedule",))
        super().__init__(**kwargs)

    def build(self, input_shape=None) -> None:
        if self.strength == "schedule":
            options = {"shape": (), "initializer": "zeros", "dtype": "float32", "trainable": False, "autocast": False}
            self.step = self.add_weight(name="step", **options)
            self.total_steps = self.add_weight(name="total_steps", **options)

    def set_total_steps(self, total_steps: int) -> None:
        """Set the total number of training steps: epochs x steps per epoch."""
        if self.strength == "schedule":
            self.total_steps.assign(total_steps)

    def current_strength(self):
        """Return lambda at the current step, a scalar."""
        if self.strength != "schedule":
            return ops.convert_to_tensor(self.strength, "float32")
        total = ops.convert_to_tensor(self.total_steps)
        progress = ops.where(total > 0, ops.convert_to_tensor(self.step) / ops.maximum(total, 1.0), 1.0)
        return ops.where(total > 0, 2.0 / (1.0 + ops.exp(-10.0 * progress)) - 1.0, 1.0)

    def call(self, inputs, training=None):
        strength = ops.cast(self.current_strength(), inputs.dtype)
        if training and self.strength == "schedule":
            self.step.assign(self.step + 1.0)

        @ops.custom_gradient
        def reverse(x):
            def grad(*args, upstream=None):
                return -strength * (args[0] if upstream is None else upstream)

            return x, grad

        return reverse(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask
