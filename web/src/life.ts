// What becomes of the features of a run: the neurons that two of them share, and the way of two of them onto one.

import { favorites } from "./physics";
import type { Run } from "./run";

/** A neuron that two features share with opposite signs, and the neurons on which each was largest at the start. */
export interface Shared {
  neuron: number;
  features: [number, number];
  began: [number, number];
}

/** One weight of a feature, followed through the run. */
export interface Track {
  neuron: number;
  points: { step: number; weight: number }[];
}

/** The way of two features onto one neuron: for each its weight there, and its weight where it was largest at first. */
export interface Life {
  shared: Shared;
  ways: { feature: number; there: Track; first: Track }[];
}

/** By neuron: those that hold two weights of size 0.8 to 1.2, of opposite signs, and no third. */
export function sharedNeurons({ network: { W, n, m }, start }: Run): Shared[] {
  const held = new Map<number, number[]>();
  for (const [i, { neuron, weight }] of favorites(W, n, m).entries())
    if (Math.abs(weight) >= 0.8 && Math.abs(weight) <= 1.2) held.set(neuron, [...(held.get(neuron) ?? []), i]);
  return [...held]
    .filter(([k, on]) => on.length === 2 && W[on[0] * m + k] > 0 !== W[on[1] * m + k] > 0)
    .map(([neuron, [i, j]]): Shared => ({ neuron, features: [i, j], began: [start[i].neuron, start[j].neuron] }))
    .sort((one, other) => one.neuron - other.neuron);
}

/** Whether the two features began on different neurons. */
export const apart = ({ began: [one, other] }: Shared): boolean => one !== other;

/**
 * The shared neuron whose life the tour tells: the first one on which neither feature began; if there is none, the first
 * whose features began on different neurons.
 */
export function told(all: Shared[]): Shared | null {
  const different = all.filter(apart);
  return different.find(({ neuron, began }) => !began.includes(neuron)) ?? different[0] ?? null;
}

/** The way of these two features from the start to where the run is. */
export function lifeOf(run: Run, shared: Shared): Life {
  const track = (feature: number, neuron: number): Track => ({ neuron, points: run.track(feature, neuron) });
  const ways = shared.features.map((feature, which) => ({
    feature,
    there: track(feature, shared.neuron),
    first: track(feature, shared.began[which]),
  }));
  return { shared, ways };
}
