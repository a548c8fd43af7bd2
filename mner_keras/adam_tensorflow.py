"""Adam for TensorFlow on one device: each weight in one pass."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="mner_keras")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, computed by TensorFlow's fused operation: a table of words is then read and written once a step
    instead of some ten times. Results are equal but for rounding."""

    def update_step(self, gradient, variable, learning_rate) -> None:
        is_plain = isinstance(variable.value, tf.Variable) and variable.dtype == "float32" and not self.amsgrad
        if not is_plain or tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )
