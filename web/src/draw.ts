// The pictures. Each draws one state onto a canvas that it finds cleared, in CSS pixels.

import type { Forces } from "./physics";
import type { Fate, Seen } from "./words";

/** One thing, one color, as in the book's figures; the ground and the ink follow the theme. */
export interface Palette {
  ground: string;
  ink: string;
  muted: string;
  rule: string;
  benign: string;
  malign: string;
  run: string;
  paper: string;
  positive: string;
  negative: string;
  benefit: string;
  interference: string;
  regularization: string;
}

export interface Pen {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  palette: Palette;
}

const FONT = "12px system-ui, sans-serif";
const LEFT = 34;
/** The largest weight that the pictures have room for. */
const TOP = 1.3;

/** The canvas, made as sharp as the screen and cleared; null where it has no size or its context is lost. */
export function pen(canvas: HTMLCanvasElement, palette: Palette): Pen | null {
  const context = canvas.getContext("2d");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!context || context.isContextLost?.() || !width || !height) return null;
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, width, height);
  context.font = FONT;
  context.lineWidth = 1;
  context.setLineDash([]);
  return { context, width, height, palette };
}

/** Where a neuron stands in the picture of neurons. */
export const neuronX = (k: number, m: number, width: number): number => LEFT + ((k + 0.5) * (width - LEFT - 6)) / m;

/** Every neuron's weights: one column each, height the weight; those of favorites large, shared neurons joined. */
export function drawNeurons(
  { context, width, height, palette }: Pen,
  W: Float64Array,
  n: number,
  m: number,
  { now, collisions, fates }: Seen,
  chosen: number,
): void {
  const bottom = 8;
  const mid = (height - bottom) / 2 + 6;
  const y = (weight: number): number =>
    mid - (Math.max(-TOP, Math.min(TOP, weight)) * (height - bottom - 22)) / (2 * TOP);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const level of [-1, 0, 1]) {
    context.fillStyle = palette.rule;
    context.fillRect(LEFT, Math.round(y(level)), width - LEFT, 1);
    context.fillStyle = palette.muted;
    context.fillText(level < 0 ? "−1" : `${level}`, LEFT - 6, y(level));
  }
  const step = (width - LEFT - 6) / m;
  const dot = Math.max(1, Math.min(4, step * 0.7));
  context.fillStyle = palette.muted;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < m; k++) {
      const weight = W[i * m + k];
      if (weight > 0.03 || weight < -0.03)
        context.fillRect(LEFT + (k + 0.5) * step - dot / 2, y(weight) - dot / 2, dot, dot);
    }
  }
  const held = new Map<number, number[]>();
  now.forEach(({ neuron }, i) => {
    held.set(neuron, [...(held.get(neuron) ?? []), i]);
  });
  for (const [k, features] of held) {
    const signs = features.map((i) => now[i].weight > 0);
    const clash = signs.filter((sign) => sign).length > 1 || signs.filter((sign) => !sign).length > 1;
    const color = features.length < 2 ? palette.ink : clash ? palette.malign : palette.benign;
    const x = neuronX(k, m, width);
    context.fillStyle = context.strokeStyle = color;
    if (features.length > 1) {
      const ends = features.map((i) => y(now[i].weight));
      context.lineWidth = 2;
      line(context, x, Math.min(...ends), x, Math.max(...ends));
      context.lineWidth = 1;
    }
    for (const i of features) disk(context, x, y(now[i].weight), features.length > 1 ? 4 : 3);
  }
  const marks = new Map(collisions.map(({ neuron }, which) => [neuron, fates[which]]));
  for (const [k, fate] of marks) mark(context, neuronX(k, m, width), 7, fate, palette);
  const { neuron, weight } = now[chosen];
  context.strokeStyle = palette.run;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(neuronX(neuron, m, width), y(weight), 7, 0, 2 * Math.PI);
  context.stroke();
}

/** A collision of the start: a triangle where both stay, a square where equal signs fight, a cross where one has left. */
function mark(context: CanvasRenderingContext2D, x: number, y: number, fate: Fate, palette: Palette): void {
  context.fillStyle = context.strokeStyle = fate === "displaced" ? palette.muted : palette[fate];
  context.lineWidth = 1.5;
  context.beginPath();
  if (fate === "benign") {
    context.moveTo(x, y + 4);
    context.lineTo(x - 4.5, y - 4);
    context.lineTo(x + 4.5, y - 4);
    context.fill();
  } else if (fate === "malign") context.fillRect(x - 3.5, y - 3.5, 7, 7);
  else {
    line(context, x - 3, y - 3, x + 3, y + 3);
    line(context, x - 3, y + 3, x + 3, y - 3);
  }
}

/** The matrix W: a row for each feature, a column for each neuron, the two colors for the two signs. */
export function drawWeights(
  { context, width, height, palette }: Pen,
  W: Float64Array,
  n: number,
  m: number,
  chosen: number,
): void {
  const image = new ImageData(m, n);
  const [ground, positive, negative] = [palette.ground, palette.positive, palette.negative].map(channels);
  for (let at = 0; at < n * m; at++) {
    // The square root lets the many small weights of the start be seen.
    const strength = Math.sqrt(Math.min(1, Math.abs(W[at])));
    const toward = W[at] < 0 ? negative : positive;
    for (let c = 0; c < 3; c++) image.data[4 * at + c] = ground[c] + strength * (toward[c] - ground[c]);
    image.data[4 * at + 3] = 255;
  }
  const small = new OffscreenCanvas(m, n);
  small.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, LEFT, 0, width - LEFT - 6, height);
  context.strokeStyle = palette.run;
  context.lineWidth = 2;
  context.strokeRect(LEFT, (chosen * height) / n, width - LEFT - 6, Math.max(2, height / n));
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(`${chosen}`, LEFT - 6, Math.max(7, Math.min(height - 7, ((chosen + 0.5) * height) / n)));
}

/** Polysemantic neurons so far, and the two predictions. */
export function drawCounts(
  { context, width, height, palette }: Pen,
  counted: { step: number; count: number }[],
  step: number,
  laws: { paper: number; slots: number } | null,
): void {
  const last = Math.max(50, counted.at(-1)?.step ?? 0, step);
  const most = Math.max(2, laws?.paper ?? 0, laws?.slots ?? 0, ...counted.map(({ count }) => count)) * 1.15;
  const [bottom, top] = [height - 20, 8];
  const x = (at: number): number => LEFT + (at / last) * (width - LEFT - 8);
  const y = (count: number): number => bottom - (count / most) * (bottom - top);
  context.fillStyle = palette.muted;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const tick = Math.max(1, Math.ceil(most / 5));
  for (let count = 0; count <= most; count += tick) {
    context.fillStyle = palette.rule;
    context.fillRect(LEFT, Math.round(y(count)), width - LEFT - 8, 1);
    context.fillStyle = palette.muted;
    context.fillText(`${count}`, LEFT - 6, y(count));
  }
  context.textBaseline = "alphabetic";
  context.fillText(`step ${last.toLocaleString("en-US")}`, width - 8, height - 4);
  context.textAlign = "left";
  context.fillText("0", LEFT, height - 4);
  context.lineWidth = 1.5;
  if (laws) {
    context.strokeStyle = palette.ink;
    line(context, LEFT, y(laws.slots), width - 8, y(laws.slots));
    context.setLineDash([6, 4]);
    context.strokeStyle = palette.paper;
    line(context, LEFT, y(laws.paper), width - 8, y(laws.paper));
    context.setLineDash([]);
  }
  context.strokeStyle = palette.run;
  context.lineWidth = 2;
  context.beginPath();
  counted.forEach((each, place) => {
    if (place) context.lineTo(x(each.step), y(counted[place - 1].count));
    context.lineTo(x(each.step), y(each.count));
  });
  context.stroke();
  const now = counted.filter((each) => each.step <= step).at(-1);
  context.fillStyle = palette.run;
  if (now) disk(context, x(step), y(now.count), 4);
}

/** How many of a feature's weights the picture of forces shows. */
export const SHOWN = 8;

/** The largest weights of one feature as bars, and on each the three forces as arrows, all in one scale. */
export function drawForces(
  { context, width, height, palette }: Pen,
  row: Float64Array,
  largest: number[],
  forces: Forces,
): void {
  const size = height / SHOWN;
  const zero = LEFT + 4;
  const middle = zero + (width - zero) * 0.5;
  const x = (weight: number): number => zero + (Math.min(1.2, Math.abs(weight)) / 1.2) * (middle - zero - 8);
  const kinds = ["benefit", "interference", "regularization"] as const;
  // Outward is to the right: growth of the weight's size.
  const outward = (kind: (typeof kinds)[number], k: number): number => forces[kind][k] * (row[k] < 0 ? -1 : 1);
  const most = Math.max(1e-9, ...largest.flatMap((k) => kinds.map((kind) => Math.abs(outward(kind, k)))));
  const origin = middle + (width - middle) / 2;
  const reach = (width - middle) / 2 - 8;
  context.textBaseline = "middle";
  context.fillStyle = palette.rule;
  context.fillRect(origin, 0, 1, height);
  largest.forEach((k, place) => {
    const y = place * size;
    context.fillStyle = palette.muted;
    context.textAlign = "right";
    context.fillText(`${k}`, LEFT, y + size / 2);
    context.fillStyle = row[k] < 0 ? palette.negative : palette.positive;
    context.fillRect(zero, y + size * 0.25, x(row[k]) - zero, size * 0.5);
    kinds.forEach((kind, which) => {
      const length = (outward(kind, k) / most) * reach;
      context.strokeStyle = context.fillStyle = palette[kind];
      arrow(context, origin, y + size * (0.25 + 0.25 * which), length);
    });
  });
}

function arrow(context: CanvasRenderingContext2D, x: number, y: number, length: number): void {
  if (Math.abs(length) < 0.5) return;
  const head = Math.min(5, Math.abs(length)) * Math.sign(length);
  context.lineWidth = 2.5;
  line(context, x, y, x + length - head / 2, y);
  context.beginPath();
  context.moveTo(x + length, y);
  context.lineTo(x + length - head, y - 3);
  context.lineTo(x + length - head, y + 3);
  context.fill();
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function disk(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** Red, green and blue of #rrggbb. */
function channels(color: string): [number, number, number] {
  const value = Number.parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
