// What is to be seen of a run, worked out once for its pictures and its words, and the words.

import { apart, type Life, type Shared, sharedNeurons } from "./life";
import type { Setup, State } from "./link";
import { expected, type Favorite, favorites, forces, polysemanticNeurons } from "./physics";
import { type Collision, decided, type Run } from "./run";
import type { Marks } from "./tour";

/** What has become of a collision of the start. */
export type Fate = "benign" | "malign" | "displaced";

export interface Seen {
  step: number;
  now: Favorite[];
  done: boolean[];
  /** Features that cannot decide any more: no weight of theirs can grow. */
  lost: boolean[];
  count: number;
  collisions: Collision[];
  fates: Fate[];
  shared: Shared[];
}

export function see(run: Run): Seen {
  const { step, network, collisions, setup } = run;
  const { W, n, m } = network;
  const { l1, noise } = setup;
  const now = favorites(W, n, m);
  const fates = collisions.map((each) => fate(each, now));
  // The benefit of a weight w is at most 4 w: below λ/4 the ℓ1 penalty is stronger.
  const lost = now.map(({ weight }) => noise === "none" && Math.abs(weight) < l1 / 4);
  const [done, count, shared] = [decided(W, n, m), polysemanticNeurons(W, n, m), sharedNeurons(run)];
  return { step, now, done, lost, count, collisions, fates, shared };
}

/** Why there is nothing left to wait for; empty while there is. */
export function settled({ done, lost }: Seen): string {
  if (done.every(Boolean)) return "Every feature has decided.";
  if (lost.every(Boolean))
    return "No feature can decide any more: every weight is below λ/4, and the ℓ1 penalty takes it to zero.";
  return done.every((each, i) => each || lost[i]) ? "Every feature has decided or goes to zero." : "";
}

/** By where the two features' largest weights are now. */
function fate({ features: [i, j], neuron, opposite }: Collision, now: Favorite[]): Fate {
  if (now[i].neuron !== neuron || now[j].neuron !== neuron) return "displaced";
  return opposite ? "benign" : "malign";
}

const about = (value: number): string => (value < 1000 ? value.toPrecision(3) : spaced(Math.round(value)));
const spaced = (value: number): string => value.toLocaleString("en-US");

/** The state in words. */
export function status({ step, count, done, lost }: Seen, { n, m, l1, noise, init }: Setup): string {
  const falling = lost.filter(Boolean).length;
  return (
    `Step ${spaced(step)}: ${count} polysemantic ${count === 1 ? "neuron" : "neurons"}, ` +
    `${done.filter(Boolean).length} of ${n} features decided${falling ? `, ${falling} on the way to zero` : ""}.` +
    // Of other runs neither formula speaks.
    (init === "random" && noise === "none" && l1 > 0 && !falling ? foretold(n, m) : "")
  );
}

function foretold(n: number, m: number): string {
  const found = expected(n, m);
  if (!found) return " The formulas for their number are for fewer features on more neurons.";
  return ` In the end the paper expects ${about(found.paper)}, random slots ${about(found.slots)}.`;
}

export const setup = ({ n, m, l1, optimizer, noise }: Setup): string =>
  `n = ${n}, m = ${m}, λ = ${l1}, ${optimizer === "sgd" ? "gradient descent" : "AdamW"}, ` +
  `${noise === "none" ? "no" : noise} noise`;

/** What each picture shows. */
export function labels(seen: Seen, W: Float64Array, state: State, marks: Marks | null, life: Life | null) {
  const { n, m, l1, feature } = state;
  const { step, count, now } = seen;
  const { neuron, weight } = now[feature];
  const found = forces(W, n, m, l1, feature);
  const outward = (force: Float64Array): string => ((weight < 0 ? -1 : 1) * force[neuron]).toFixed(3);
  const marked = marks?.features.map((i) => `; marked: feature ${i}, largest weight on neuron ${now[i].neuron}`) ?? [];
  return {
    life: life
      ? life.ways
          .map(
            ({ feature, first, there }) => `feature ${feature}: from neuron ${first.neuron} to neuron ${there.neuron}`,
          )
          .join("; ")
      : "none",
    neurons:
      `${n} features on ${m} neurons at step ${step}; ${count} neurons polysemantic${marked.join("")}` +
      `${marks?.neurons.length ? `; marked neurons: ${marks.neurons.join(", ")}` : ""}`,
    weights: `all ${n * m} weights at step ${step}, as a picture`,
    counts: `polysemantic neurons against the step: ${count} at step ${step}`,
    forces:
      `feature ${feature}: its largest weight is ${weight.toFixed(2)}, on neuron ${neuron}; outward forces there: benefit ` +
      `${outward(found.benefit)}, interference ${outward(found.interference)}, regularization ${outward(found.regularization)}`,
  };
}

/** The collisions of the start, and the shared neurons of now, in a few sentences. */
export function summary({ collisions: { length }, fates, shared }: Seen): string {
  const [stay, clash] = (["benign", "malign"] as const).map((kind) => fates.filter((each) => each === kind).length);
  return (
    `At the start ${length} ${length === 1 ? "pair has" : "pairs have"} the largest weights on one neuron. ` +
    `Now ${stay} of them ${stay === 1 ? "is" : "are"} still together with opposite signs, ${clash} with the same sign, ` +
    `${length - stay - clash} displaced.${origins(shared)}`
  );
}

/** From where the features of shared neurons come. */
function origins(shared: Shared[]): string {
  const { length } = shared;
  if (!length) return "";
  const different = shared.filter(apart).length;
  const sharing = "shared by two features with opposite signs";
  if (length === 1)
    return ` One neuron is ${sharing}, which began on ${different ? "different neurons" : "one neuron"}.`;
  return ` ${length} neurons are ${sharing}; ${different} of these pairs began on different neurons.`;
}

/** Collisions one by one: those of the start, then those that came on the way. */
export function list({ collisions, now, done }: Seen): string[] {
  const met: string[] = [];
  const before = new Set(collisions.map(({ features }) => `${features}`));
  for (const [i, one] of now.entries()) {
    for (const [j, other] of now.entries()) {
      const together = i < j && one.neuron === other.neuron && one.weight > 0 !== other.weight > 0;
      if (together && done[i] && done[j] && !before.has(`${[i, j]}`))
        met.push(`features ${i} and ${j}, which began on different neurons, share neuron ${one.neuron}`);
    }
  }
  return [...collisions.map((collision) => described(collision, now, done)), ...met];
}

function described({ features, neuron, opposite }: Collision, now: Favorite[], done: boolean[]): string {
  const [i, j] = features;
  const who = `features ${i} and ${j} on neuron ${neuron}, ${opposite ? "opposite signs" : "same sign"}: `;
  const gone = features.filter((each) => now[each].neuron !== neuron);
  if (gone.length === 2) return `${who}both left, for neurons ${now[i].neuron} and ${now[j].neuron}`;
  if (gone.length === 1) return `${who}feature ${gone[0]} left, for neuron ${now[gone[0]].neuron}`;
  if (done[i] && done[j]) return `${who}decided, they share it`;
  return `${who}undecided`;
}
