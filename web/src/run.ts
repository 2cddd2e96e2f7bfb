// A run: from a start, step by step, and back again. Everything follows from the setup, so that any step can be reached
// from a checkpoint before it, exactly.

import type { Setup } from "./link";
import { type Favorite, favorites, Network, polysemanticNeurons, type Training } from "./physics";
import { draw, quantile, Random } from "./random";

// Checkpoints take at most about so much memory.
const MOST_BYTES = 48 * 2 ** 20;
const MOST_CHECKPOINTS = 128;
const MOST_COUNTS = 512;

interface Checkpoint {
  step: number;
  W: Float64Array;
  moments: Float64Array[];
  betas: [number, number];
  noise: Uint32Array;
}

/** Of two features with one favorite at the start: where they were, and whether their signs differ. */
export interface Collision {
  features: [number, number];
  neuron: number;
  opposite: boolean;
}

export class Run {
  readonly network: Network;
  readonly start: Favorite[];
  readonly collisions: Collision[];
  /** Steps at which neurons were counted, and how many were polysemantic. */
  readonly counted: { step: number; count: number }[] = [];
  step = 0;
  /** The farthest step that was reached so far. */
  reached = 0;
  private readonly training: Training;
  private readonly random: Random;
  private readonly xi: Float64Array | null;
  private checkpoints: Checkpoint[] = [];
  private every = 16;
  private countEvery = 1;

  constructor(readonly setup: Setup) {
    const { n, m } = setup;
    this.network = new Network(n, m, initial(setup));
    this.start = favorites(this.network.W, n, m);
    this.collisions = collisions(this.start);
    this.random = new Random(setup.seed, 2);
    this.xi = setup.noise === "none" || setup.sigma === 0 ? null : new Float64Array(m);
    // AdamW as released has weight decay; gradient descent has none.
    this.training = { ...setup, weightDecay: setup.optimizer === "adamw" ? 0.01 : 0 };
    this.arrived();
  }

  /** One step on; false where the weights have stopped being finite, and then the run is where it was. */
  advance(): boolean {
    const { xi, setup, network } = this;
    if (xi && setup.noise !== "none")
      for (let k = 0; k < xi.length; k++) xi[k] = setup.sigma * draw(setup.noise, this.random);
    network.step(this.training, xi);
    this.step++;
    if (network.W.every(Number.isFinite)) {
      this.arrived();
      return true;
    }
    const last = this.step - 1;
    this.back(last);
    while (this.step < last) this.advance();
    return false;
  }

  /** Go to the last checkpoint at or before a step, if that is nearer than where the run is. */
  back(step: number): void {
    const before = this.checkpoints.filter((checkpoint) => checkpoint.step <= step).at(-1);
    if (!before || (this.step <= step && before.step <= this.step)) return;
    this.step = before.step;
    const { network } = this;
    network.W.set(before.W);
    before.moments.forEach((moment, which) => {
      (which ? network.square : network.mean).set(moment);
    });
    [network.beta1, network.beta2] = before.betas;
    this.random.restore(before.noise);
  }

  /** One weight at the steps that are kept, and now. */
  track(feature: number, neuron: number): { step: number; weight: number }[] {
    const at = feature * this.setup.m + neuron;
    const kept = this.checkpoints.filter(({ step }) => step < this.step);
    return [...kept, { step: this.step, W: this.network.W }].map(({ step, W }) => ({ step, weight: W[at] }));
  }

  private arrived(): void {
    const { network, step, checkpoints } = this;
    const { n, m } = network;
    const last = checkpoints.at(-1);
    if (step % this.every === 0 && (!last || last.step < step)) this.keep();
    const counted = this.counted.at(-1);
    if (step % this.countEvery === 0 && (!counted || counted.step < step)) {
      this.counted.push({ step, count: polysemanticNeurons(network.W, n, m) });
      if (this.counted.length > MOST_COUNTS) {
        this.countEvery *= 2;
        const kept = this.counted.filter((each) => each.step % this.countEvery === 0);
        this.counted.splice(0, this.counted.length, ...kept);
      }
    }
    this.reached = Math.max(this.reached, step);
  }

  private keep(): void {
    const { network, setup } = this;
    this.checkpoints.push({
      step: this.step,
      W: network.W.slice(),
      moments: setup.optimizer === "adamw" ? [network.mean.slice(), network.square.slice()] : [],
      betas: [network.beta1, network.beta2],
      noise: this.random.save(),
    });
    const bytes = 8 * network.W.length * (setup.optimizer === "adamw" ? 3 : 1);
    if (this.checkpoints.length > Math.min(MOST_CHECKPOINTS, MOST_BYTES / bytes)) {
      this.every *= 2;
      this.checkpoints = this.checkpoints.filter((checkpoint) => checkpoint.step % this.every === 0);
    }
  }
}

/** Weights N(0, 1/m), and what the setup asks for besides. */
export function initial({ n, m, init, seed }: Setup): Float64Array {
  const random = new Random(seed, 1);
  const W = new Float64Array(n * m);
  const fill = (i: number): void => {
    for (let k = 0; k < m; k++) W[i * m + k] = quantile(random.uniform()) / Math.sqrt(m);
  };
  for (let i = 0; i < n; i++) fill(i);
  if (init === "deduplicated") {
    const taken = new Set<number>();
    for (let i = 0; i < n; i++) {
      let { neuron } = favorites(W.subarray(i * m, (i + 1) * m), 1, m)[0];
      while (taken.has(neuron)) {
        fill(i);
        neuron = favorites(W.subarray(i * m, (i + 1) * m), 1, m)[0].neuron;
      }
      taken.add(neuron);
    }
  }
  if (init === "benign" || init === "malign") plant(W, m, init === "benign");
  return W;
}

/** Let feature 1 have the favorite of feature 0, as large: its own largest weight changes places with that one. */
function plant(W: Float64Array, m: number, opposite: boolean): void {
  const [first, second] = favorites(W, 2, m);
  const [there, own] = [m + first.neuron, m + second.neuron];
  [W[there], W[own]] = [W[own], W[there]];
  // A lead that is equal, and clear: half as much again as the largest weight had.
  W[first.neuron] = 1.5 * first.weight;
  W[there] = W[first.neuron] * (opposite ? -1 : 1);
}

function collisions(start: Favorite[]): Collision[] {
  const found: Collision[] = [];
  start.forEach((one, i) => {
    start.slice(i + 1).forEach((other, after) => {
      if (one.neuron === other.neuron) {
        const opposite = one.weight > 0 !== other.weight > 0;
        found.push({ features: [i, i + 1 + after], neuron: one.neuron, opposite });
      }
    });
  });
  return found;
}

/** A feature has decided when one weight of it is near 1 in size and no other is above a twentieth. */
export function decided(W: Float64Array, n: number, m: number): boolean[] {
  return Array.from({ length: n }, (_, i) => {
    let [large, small] = [0, 0];
    for (let k = 0; k < m; k++) {
      const size = Math.abs(W[i * m + k]);
      if (size >= 0.8 && size <= 1.2) large++;
      else if (size > 0.05) small++;
    }
    return large === 1 && small === 0;
  });
}
