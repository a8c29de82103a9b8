"use strict";
// Self-attention with Q = K = I and V = I or -I on the circle and on S^2: its velocity, and steps along it.

// dx_i/dt of n unit points x_i with masses 1/n, in the order x_1, ..., x_n of their coordinates (2312.10794; USA on the
// clock of 2410.06833). field: { beta, kind: "SA" or "USA", sign: 1 or -1 for V = I or -I, causal }.
// Differences of points throughout, so that tight clusters keep their digits. Cost: O(n^2 d).
function velocity(points, dimension, field) {
  const count = points.length / dimension, found = new Float64Array(points.length);
  const apart = new Float64Array(dimension), pull = new Float64Array(dimension);
  for (let i = 0; i < count; i++) {
    const at = i * dimension, seen = field.causal ? i + 1 : count;
    let total = 0;
    pull.fill(0);
    for (let j = 0; j < seen; j++) {
      let square = 0;
      for (let k = 0; k < dimension; k++) {
        apart[k] = points[j * dimension + k] - points[at + k];
        square += apart[k] * apart[k];
      }
      const weight = Math.exp(-field.beta * square / 2);
      total += weight;
      for (let k = 0; k < dimension; k++) pull[k] += weight * apart[k];
    }
    let along = 0, length = 0;
    for (let k = 0; k < dimension; k++) {
      along += points[at + k] * pull[k];
      length += points[at + k] * points[at + k];
    }
    const scale = field.sign / (field.kind === "SA" ? total : count);
    for (let k = 0; k < dimension; k++) found[at + k] = scale * (pull[k] - along / length * points[at + k]);
  }
  return found;
}

// The points, each divided by its length.
function onSphere(points, dimension) {
  const found = new Float64Array(points.length);
  for (let at = 0; at < points.length; at += dimension) {
    const length = Math.hypot(...points.subarray(at, at + dimension));
    for (let k = at; k < at + dimension; k++) found[k] = points[k] / length;
  }
  return found;
}

// The state { points, time, step } after one accepted step of Bogacki and Shampine's pair of orders 3 and 2, not beyond
// the time `until`, with an error estimate of at most `tolerance` in each coordinate.
function advance(state, dimension, field, until, tolerance) {
  const { points, time } = state, first = velocity(points, dimension, field);
  const moved = (...parts) => points.map((x, k) => parts.reduce((sum, [share, rate]) => sum + share * rate[k], x));
  for (let step = Math.min(state.step, until - time); ; ) {
    const second = velocity(moved([step / 2, first]), dimension, field);
    const third = velocity(moved([3 * step / 4, second]), dimension, field);
    const after = onSphere(moved([2 * step / 9, first], [step / 3, second], [4 * step / 9, third]), dimension);
    const fourth = velocity(after, dimension, field);
    let error = 0;
    for (let k = 0; k < points.length; k++) {
      const estimate = step * (-5 * first[k] / 72 + second[k] / 12 + third[k] / 9 - fourth[k] / 8);
      error = Math.max(error, Math.abs(estimate));
    }
    const factor = Math.min(4, Math.max(0.2, 0.9 * Math.cbrt(tolerance / Math.max(error, 1e-300))));
    if (error <= tolerance) return { points: after, time: time + step, step: step * factor };
    step *= factor;
  }
}

// Uniform points on the sphere, from a seed: normal numbers by Box and Muller from the generator mulberry32.
function uniformPoints(count, dimension, seed) {
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return onSphere(Float64Array.from({ length: count * dimension }, normal), dimension);
}
