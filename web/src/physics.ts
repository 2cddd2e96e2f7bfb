// The paper's network, y = ReLU((W x + ξ) Wᵀ), and its training, one float64 operation after another: the book's own
// equations (poly.model, poly.training). tests/playground_reference.py says the same in the same order, and a test holds
// the two together. Arrays are flat: W[i * m + k] is the weight of feature i on neuron k.

export interface Training {
  optimizer: "sgd" | "adamw";
  lr: number;
  l1: number;
  weightDecay: number;
}

/** Weights, AdamW's moments, and the room that a step needs. */
export class Network {
  readonly mean: Float64Array;
  readonly square: Float64Array;
  /** Powers of AdamW's betas, so far. */
  beta1 = 1;
  beta2 = 1;
  private readonly errors: Float64Array;
  private readonly outgoing: Float64Array;
  private readonly shift: Float64Array;
  private readonly product: Float64Array;
  private readonly before: Float64Array;

  constructor(
    readonly n: number,
    readonly m: number,
    readonly W: Float64Array,
  ) {
    this.mean = new Float64Array(n * m);
    this.square = new Float64Array(n * m);
    this.errors = new Float64Array(n * n);
    this.outgoing = new Float64Array(n);
    this.shift = new Float64Array(n);
    this.product = new Float64Array(m);
    this.before = new Float64Array(n * m);
  }

  /** One step; ξ, of length m, is σ times the noise that all inputs share, or null. */
  step(training: Training, xi: Float64Array | null): void {
    this.findErrors(xi);
    if (training.optimizer === "adamw") {
      this.beta1 *= BETA1;
      this.beta2 *= BETA2;
    }
    this.before.set(this.W); // every row moves by what all rows were
    for (let i = 0; i < this.n; i++) this.moveRow(i, training, xi);
  }

  /** E + Eᵀ, and the sums of E's columns, where E = 2 (Y − 1) ∘ 1[Y > 0]. */
  private findErrors(xi: Float64Array | null): void {
    const { n, m, W, errors, outgoing, shift } = this;
    for (let j = 0; j < n; j++) {
      shift[j] = xi ? dot(W, j * m, xi, 0, m) : 0;
      outgoing[j] = 0;
    }
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const overlap = dot(W, i * m, W, j * m, m);
        const one = Math.max(overlap + shift[j], 0);
        const other = Math.max(overlap + shift[i], 0);
        errors[i * n + j] = errors[j * n + i] = 2 * (one + other);
        outgoing[j] += 2 * one;
        outgoing[i] += 2 * other;
      }
      const own = dot(W, i * m, W, i * m, m) + shift[i];
      const error = own > 0 ? 2 * (own - 1) : 0;
      errors[i * n + i] = 2 * error;
      outgoing[i] += error;
    }
  }

  private moveRow(i: number, training: Training, xi: Float64Array | null): void {
    const { n, m, W, before, errors, product } = this;
    product.fill(0);
    for (let j = 0; j < n; j++) {
      const error = errors[i * n + j];
      if (error === 0) continue;
      for (let k = 0, at = j * m; k < m; k++, at++) product[k] += error * before[at];
    }
    const { lr, l1, weightDecay } = training;
    const adamw = training.optimizer === "adamw";
    const scale = lr / (1 - this.beta1);
    const root = 1 / Math.sqrt(1 - this.beta2);
    for (let k = 0, at = i * m; k < m; k++, at++) {
      const x = before[at];
      const penalty = x > 0 ? l1 : x < 0 ? -l1 : 0;
      const gradient = product[k] + (xi ? this.outgoing[i] * xi[k] : 0) + penalty;
      if (!adamw) {
        W[at] = x - lr * (gradient + weightDecay * x);
        continue;
      }
      const mean = this.mean[at] + (1 - BETA1) * (gradient - this.mean[at]);
      const square = BETA2 * this.square[at] + (1 - BETA2) * gradient * gradient;
      this.mean[at] = mean;
      this.square[at] = square;
      W[at] = (1 - lr * weightDecay) * x - (scale * mean) / (Math.sqrt(square) * root + EPS);
    }
  }
}

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPS = 1e-8;

/** The dot product of two stretches of m numbers, in four sums. */
function dot(a: Float64Array, from: number, b: Float64Array, start: number, m: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = m - (m % 4);
  for (let k = 0; k < whole; k += 4) {
    s0 += a[from + k] * b[start + k];
    s1 += a[from + k + 1] * b[start + k + 1];
    s2 += a[from + k + 2] * b[start + k + 2];
    s3 += a[from + k + 3] * b[start + k + 3];
  }
  for (let k = whole; k < m; k++) s0 += a[from + k] * b[start + k];
  return s0 + s1 + (s2 + s3);
}

export interface Forces {
  benefit: Float64Array;
  interference: Float64Array;
  regularization: Float64Array;
}

/** The three forces on the weights of one feature, without noise: poly.model.forces, one row of it. */
export function forces(W: Float64Array, n: number, m: number, l1: number, feature: number): Forces {
  const row = feature * m;
  const found = {
    benefit: new Float64Array(m),
    interference: new Float64Array(m),
    regularization: new Float64Array(m),
  };
  const own = dot(W, row, W, row, m);
  for (let k = 0; k < m; k++) {
    found.benefit[k] = 4 * (1 - own) * W[row + k];
    found.regularization[k] = -l1 * Math.sign(W[row + k]);
  }
  for (let j = 0; j < n; j++) {
    const overlap = j === feature ? 0 : dot(W, row, W, j * m, m);
    if (overlap <= 0) continue;
    for (let k = 0; k < m; k++) found.interference[k] -= 4 * overlap * W[j * m + k];
  }
  return found;
}

export interface Favorite {
  neuron: number;
  weight: number;
}

/** The largest weight, by size, of every feature. */
export function favorites(W: Float64Array, n: number, m: number): Favorite[] {
  return Array.from({ length: n }, (_, i) => {
    let neuron = 0;
    for (let k = 1; k < m; k++) if (Math.abs(W[i * m + k]) > Math.abs(W[i * m + neuron])) neuron = k;
    return { neuron, weight: W[i * m + neuron] };
  });
}

/** The number of polysemantic neurons: those with two or more weights of size 0.8 to 1.2, as the paper counts. */
export function polysemanticNeurons(W: Float64Array, n: number, m: number): number {
  let count = 0;
  for (let k = 0; k < m; k++) {
    let held = 0;
    for (let i = 0; i < n; i++) {
      const size = Math.abs(W[i * m + k]);
      if (size >= 0.8 && size <= 1.2) held++;
    }
    if (held >= 2) count++;
  }
  return count;
}

/** What the paper expects, n²/4m, and what random slots give, n(n − 1)/2(2m − 1); null where that is more than m. */
export function expected(n: number, m: number): { paper: number; slots: number } | null {
  const [paper, slots] = [n ** 2 / (4 * m), (n * (n - 1)) / (2 * (2 * m - 1))];
  return Math.max(paper, slots) > m ? null : { paper, slots };
}
