// The state of the playground as the query of its address, and back; whatever is in the address is checked.

import { FAMILIES, type Family } from "./random";

export const INITS = ["random", "deduplicated", "benign", "malign"] as const;
export type Init = (typeof INITS)[number];

export interface Setup {
  n: number;
  m: number;
  l1: number;
  optimizer: "sgd" | "adamw";
  lr: number;
  noise: "none" | Family;
  sigma: number;
  init: Init;
  seed: number;
}

export interface State extends Setup {
  step: number;
  feature: number;
}

interface NumberField {
  min: number;
  max: number;
  whole: boolean;
}

export const NUMBERS: Record<"n" | "m" | "l1" | "lr" | "sigma" | "seed" | "step" | "feature", NumberField> = {
  n: { min: 2, max: 128, whole: true },
  m: { min: 1, max: 1024, whole: true },
  l1: { min: 0, max: 1, whole: false },
  lr: { min: 1e-5, max: 0.2, whole: false },
  sigma: { min: 0, max: 1, whole: false },
  seed: { min: 0, max: 999_999, whole: true },
  step: { min: 0, max: 50_000, whole: true },
  feature: { min: 0, max: 127, whole: true },
};

export const CHOICES = {
  optimizer: ["sgd", "adamw"],
  noise: ["none", ...FAMILIES],
  init: INITS,
} as const;

/** Weights that the page can train; more would not move at a bearable pace. */
export const MOST_WEIGHTS = 32_768;

export const DEFAULTS: State = {
  n: 32,
  m: 64,
  l1: 0.02,
  optimizer: "sgd",
  lr: 0.1,
  noise: "none",
  sigma: 0.1,
  init: "random",
  seed: 1,
  step: 0,
  feature: 0,
};

type Name = keyof State;
const isNumber = (name: Name): name is keyof typeof NUMBERS => name in NUMBERS;
const isName = (name: string): name is Name => Object.hasOwn(DEFAULTS, name);
// Digits, as people and this page write them: no hexadecimal numbers, no Infinity, no spaces.
const DECIMAL = /^\d{1,12}(\.\d{1,12})?(e-\d{1,2})?$/;

/** What is wrong with a value that is typed, or stands in a link; null if nothing is. */
export function fault(name: Name, text: string): string | null {
  if (!isNumber(name)) {
    const allowed: readonly string[] = CHOICES[name];
    return allowed.includes(text) ? null : `must be one of ${allowed.join(", ")}`;
  }
  const { min, max, whole } = NUMBERS[name];
  const value = Number(text);
  if (DECIMAL.test(text) && value >= min && value <= max && (!whole || Number.isInteger(value))) return null;
  return `must be a ${whole ? "whole " : ""}number from ${min} to ${max.toLocaleString("en-US")}`;
}

/** What is wrong with values that are each allowed, but not together, and what to change; null if nothing is. */
export function faultTogether({ n, m, init, feature }: State): { says: string; names: Name[] } | null {
  if (n * m > MOST_WEIGHTS) {
    const [asked, most] = [n * m, MOST_WEIGHTS].map((count) => count.toLocaleString("en-US"));
    return { says: `n × m is ${asked}: this page trains at most ${most} weights`, names: ["n", "m"] };
  }
  if (init === "deduplicated" && n > m)
    return { says: `n = ${n}: at most m = ${m} features have favorites of their own`, names: ["init"] };
  if (feature >= n) return { says: `feature ${feature}: must be below n = ${n}`, names: ["feature"] };
  return null;
}

// What other sites hang onto a link that is shared there.
const TRACKER = /^(utm_\w+|fbclid|gclid|msclkid|mc_[ce]id|igshid|si)$/;

/** The state in an address, and what was wrong with it; what is wrong is left at its default, the rest holds. */
export function read(query: string): { state: State; faults: string[] } {
  const faults: string[] = [];
  const state: Record<string, string | number> = { ...DEFAULTS };
  const seen = new Set<string>();
  for (const [name, text] of new URLSearchParams(query)) {
    if (TRACKER.test(name)) continue;
    if (!isName(name)) faults.push(`${quoted(name)} is not known here`);
    else if (seen.has(name)) {
      faults.push(`${name} stands there twice`);
      state[name] = DEFAULTS[name];
    } else {
      const wrong = fault(name, text);
      if (wrong) faults.push(`${name} = ${quoted(text)} ${wrong}`);
      else state[name] = isNumber(name) ? Number(text) : text;
    }
    seen.add(name);
  }
  const read = state as unknown as State;
  for (let wrong = faultTogether(read); wrong; wrong = faultTogether(read)) {
    faults.push(wrong.says);
    for (const name of wrong.names) state[name] = DEFAULTS[name];
  }
  return { state: read, faults };
}

/** The query that gives this state: only what differs from the default, in a fixed order. */
export function write(state: State): string {
  const names = (Object.keys(DEFAULTS) as Name[]).filter((name) => state[name] !== DEFAULTS[name]);
  return names.length ? `?${names.map((name) => `${name}=${state[name]}`).join("&")}` : "";
}

function quoted(text: string): string {
  const short = text.length > 24 ? `${text.slice(0, 24)}…` : text;
  return `“${short}”`;
}
