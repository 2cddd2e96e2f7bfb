// The pictures of the playground: their canvases, when they are drawn, and which feature lies under the pointer.

import { element } from "./controls";
import {
  drawCounts,
  drawForces,
  drawLife,
  drawNeurons,
  drawWeights,
  neuronX,
  type Palette,
  type Pen,
  pen,
  SHOWN,
} from "./draw";
import type { Life } from "./life";
import type { State } from "./link";
import { expected, forces } from "./physics";
import type { Run } from "./run";
import type { Marks } from "./tour";
import type { Seen } from "./words";

const HEIGHTS = { life: 150, neurons: 240, weights: 180, counts: 216, forces: 216 }; // CSS pixels
export type Name = keyof typeof HEIGHTS;
const NAMES = Object.keys(HEIGHTS) as Name[];

/** What there is to draw. */
export interface Scene {
  run: Run;
  state: State;
  seen: Seen;
  /** What the tour marks, and the life that it tells. */
  marks: Marks | null;
  life: Life | null;
}

export class Pictures {
  readonly canvases = Object.fromEntries(NAMES.map((name) => [name, picture(name)])) as Record<Name, HTMLCanvasElement>;
  drawnAt = 0;
  private stale = true;
  private palette: Palette | null = null;
  /** Those never drawn yet: one a frame, so that the page answers meanwhile. */
  private readonly undrawn = [...NAMES];

  /** `lost` is told whether the browser has taken a canvas away. */
  constructor(
    private readonly root: HTMLElement,
    private readonly scene: () => Scene,
    lost: (now: boolean) => void,
  ) {
    for (const canvas of Object.values(this.canvases)) {
      new ResizeObserver(() => this.touch()).observe(canvas);
      canvas.addEventListener("contextlost", () => lost(true));
      canvas.addEventListener("contextrestored", () => {
        lost(false);
        this.touch();
      });
    }
    new MutationObserver(() => {
      this.palette = null;
      this.touch();
    }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** Have all drawn with the next frame. */
  touch(): void {
    this.stale = true;
  }

  /** Draw what is due; whether all pictures are new. */
  frame(): boolean {
    const name = this.undrawn.shift();
    if (name) this.draw(name);
    if (name || !this.stale) return false;
    for (const each of NAMES) this.draw(each);
    this.stale = false;
    this.drawnAt = performance.now();
    return true;
  }

  /** The feature whose large dot, or whose row, is nearest to the pointer. */
  featureAt(name: Name, { offsetX, offsetY }: MouseEvent): number {
    const canvas = this.canvases[name];
    const { state, seen } = this.scene();
    if (name === "weights") return Math.floor((offsetY / canvas.clientHeight) * state.n);
    const away = seen.now.map(({ neuron }) => Math.abs(neuronX(neuron, state.m, canvas.clientWidth) - offsetX));
    const nearest = Math.min(...away);
    const there = away.flatMap((distance, i) => (distance <= nearest + 2 ? [i] : []));
    const upper = offsetY < canvas.clientHeight / 2;
    return there.find((i) => seen.now[i].weight > 0 === upper) ?? there[0];
  }

  private draw(name: Name): void {
    this.palette ??= colors(this.root);
    const found = pen(this.canvases[name], this.palette);
    if (found) DRAWN[name](found, this.scene());
  }
}

const DRAWN: Record<Name, (pen: Pen, scene: Scene) => void> = {
  life: (pen, { run, life }) => life && drawLife(pen, life, run.step),
  neurons: (pen, { run, state: { n, m, feature }, seen, marks }) =>
    drawNeurons(pen, run.network.W, n, m, seen, marks ?? { features: [feature], neurons: [] }, !marks),
  weights: (pen, { run, state: { n, m, feature }, marks }) =>
    drawWeights(pen, run.network.W, n, m, marks?.features ?? [feature]),
  counts: (pen, { run, state: { n, m } }) => drawCounts(pen, run.counted, run.step, expected(n, m)),
  forces: (pen, { run, state: { n, m, l1, feature } }) => {
    const { W } = run.network;
    const row = W.subarray(feature * m, (feature + 1) * m);
    const largest = Array.from(row.keys()).sort((a, b) => Math.abs(row[b]) - Math.abs(row[a]));
    drawForces(pen, row, largest.slice(0, SHOWN), forces(W, n, m, l1, feature));
  },
};

function picture(name: Name): HTMLCanvasElement {
  const canvas = element("canvas", { class: `playground-${name}`, role: "img", "aria-label": name });
  canvas.style.height = `${HEIGHTS[name]}px`;
  return canvas;
}

function colors(root: HTMLElement): Palette {
  const style = getComputedStyle(root);
  const names = [
    "ground",
    "ink",
    "muted",
    "rule",
    "benign",
    "malign",
    "run",
    "paper",
    "positive",
    "negative",
    "benefit",
    "interference",
    "regularization",
  ] as const;
  return Object.fromEntries(
    names.map((name) => [name, style.getPropertyValue(`--play-${name}`).trim() || "#808080"]),
  ) as unknown as Palette;
}
