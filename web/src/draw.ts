// The pictures. Each draws one state onto a canvas that it finds cleared, in CSS pixels.

import type { Life } from "./life";
import type { Forces } from "./physics";
import type { Marks } from "./tour";
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
  marks: Marks,
  nameless: boolean,
): void {
  const sign = (weight: number): string => (weight < 0 ? palette.negative : palette.positive);
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
  context.fillStyle = palette.run;
  context.globalAlpha = 0.18;
  const band = Math.max(12, Math.min(30, step));
  for (const k of marks.neurons) context.fillRect(neuronX(k, m, width) - band / 2, 0, band, height);
  context.globalAlpha = 0.55;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < m; k++) {
      const weight = W[i * m + k];
      if (weight > 0.03 || weight < -0.03) {
        context.fillStyle = sign(weight);
        context.fillRect(LEFT + (k + 0.5) * step - dot / 2, y(weight) - dot / 2, dot, dot);
      }
    }
  }
  context.globalAlpha = 1;
  const held = new Map<number, number[]>();
  now.forEach(({ neuron }, i) => {
    held.set(neuron, [...(held.get(neuron) ?? []), i]);
  });
  for (const [k, features] of held) {
    const signs = features.map((i) => now[i].weight > 0);
    const clash = signs.filter((sign) => sign).length > 1 || signs.filter((sign) => !sign).length > 1;
    const x = neuronX(k, m, width);
    if (features.length > 1) {
      const ends = features.map((i) => y(now[i].weight));
      context.fillStyle = context.strokeStyle = clash ? palette.malign : palette.benign;
      context.lineWidth = 3;
      line(context, x, Math.min(...ends), x, Math.max(...ends));
      for (const end of ends) disk(context, x, end, 5.5);
    }
    for (const i of features) {
      context.fillStyle = sign(now[i].weight);
      disk(context, x, y(now[i].weight), 3.5);
    }
  }
  const fallen = new Map(collisions.map(({ neuron }, which) => [neuron, fates[which]]));
  for (const [k, fate] of fallen) mark(context, neuronX(k, m, width), 7, fate, palette);
  context.strokeStyle = palette.run;
  for (const i of marks.features) {
    const { neuron, weight } = now[i];
    const x = neuronX(neuron, m, width);
    context.lineWidth = 1.5;
    // Small: the weight on the neuron on which the feature will end.
    for (const k of marks.neurons) if (k !== neuron) ring(context, neuronX(k, m, width), y(W[i * m + k]), 4);
    context.lineWidth = 2;
    ring(context, x, y(weight), 7);
    if (nameless) continue;
    const right = x < width - 90;
    context.textAlign = right ? "left" : "right";
    written(context, `feature ${i}`, x + (right ? 11 : -11), y(weight), palette);
  }
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
  chosen: number[],
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
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const i of chosen) {
    context.strokeRect(LEFT, (i * height) / n, width - LEFT - 6, Math.max(2, height / n));
    context.fillText(`${i}`, LEFT - 6, Math.max(7, Math.min(height - 7, ((i + 0.5) * height) / n)));
  }
}

/** For each of two features, the size of its weight where it ends, and of that where it began, against the step. */
export function drawLife({ context, width, height, palette }: Pen, { ways, shared }: Life, step: number): void {
  const [top, bottom] = [24, height - 20];
  const space = (width - 8) / ways.length;
  ways.forEach(({ feature, first, there }, place) => {
    const [left, right] = [place * space + LEFT, (place + 1) * space];
    const last = there.points.at(-1)?.step || 1;
    const x = (at: number): number => left + (at / last) * (right - left);
    const y = (weight: number): number => bottom - (Math.min(1.1, Math.abs(weight)) / 1.1) * (bottom - top);
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const level of [0, 1]) {
      context.fillStyle = palette.rule;
      context.fillRect(left, Math.round(y(level)), right - left, 1);
      context.fillStyle = palette.muted;
      context.fillText(`${level}`, left - 6, y(level));
    }
    context.fillText(`step ${last.toLocaleString("en-US")}`, right, height - 8);
    context.fillStyle = palette.ink;
    context.textAlign = "left";
    context.fillText(`feature ${feature}: ${first.neuron} → ${there.neuron}`, left, 9);
    for (const { neuron, points } of first.neuron === shared.neuron ? [there] : [first, there]) {
      context.setLineDash(neuron === shared.neuron ? [] : [5, 3]);
      context.lineWidth = neuron === shared.neuron ? 2.5 : 1.5;
      const { weight } = points.reduce((most, each) => (Math.abs(each.weight) > Math.abs(most.weight) ? each : most));
      context.strokeStyle = weight < 0 ? palette.negative : palette.positive;
      for (const [alpha, upTo] of [
        [0.3, last], // what is still to come is pale
        [1, step],
      ]) {
        context.globalAlpha = alpha;
        context.beginPath();
        for (const point of points) if (point.step <= upTo) context.lineTo(x(point.step), y(point.weight));
        context.stroke();
      }
      context.globalAlpha = 1;
    }
    context.setLineDash([]);
    context.lineWidth = 1;
    context.strokeStyle = palette.run;
    line(context, x(Math.min(step, last)), top - 4, x(Math.min(step, last)), bottom);
  });
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

function ring(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

/** A text that stands out from what lies below it. */
function written(context: CanvasRenderingContext2D, text: string, x: number, y: number, palette: Palette): void {
  context.textBaseline = "middle";
  const stroke = context.strokeStyle;
  context.strokeStyle = palette.ground;
  context.lineWidth = 4;
  context.strokeText(text, x, y);
  context.strokeStyle = stroke;
  context.fillStyle = palette.ink;
  context.fillText(text, x, y);
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
