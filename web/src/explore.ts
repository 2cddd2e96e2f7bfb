// Figures that answer back: a slider over stored numbers, and the plot redrawn as SVG in the page. Without this script
// the page shows the static figure alone.

import { element } from "./controls";
import { returned } from "./returned";

interface Axis {
  label: string;
  log: boolean;
  low: number;
  high: number;
  ticks: number[];
}

interface Series {
  name: string;
  color: string;
  style: "line" | "dashed" | "dotted" | "points" | "steps";
  /** For each value of the slider, points [x, y] or, with an interval, [x, y, low, high]; null: no number. */
  frames: (number | null)[][][];
}

interface Explore {
  label: string;
  values: string[];
  start: number;
  x: Axis;
  y: Axis;
  series: Series[];
}

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [640, 400];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 28, 12, 60];

function shape(tag: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = text;
  return made;
}

/** Numbers as the book writes them: a true minus, commas, no digits that say nothing. */
export function said(value: number): string {
  const size = Math.abs(value);
  if (size && size < 1e-3) {
    const [digits, power] = size.toExponential(2).split("e");
    return `${value < 0 ? "−" : ""}${Number(digits)} × ${tenTo(Number(power))}`;
  }
  const digits = size >= 1000 || Number.isInteger(value) ? 0 : 3;
  const text = digits
    ? value.toPrecision(digits).replace(/\.?0+$/, "")
    : value.toFixed().replace(/\B(?=(\d{3})+$)/g, ",");
  return text.replace("-", "−");
}

/** A number at an axis, short: a power of ten on a long logarithmic axis, thousands on a long linear one. */
function short(axis: Axis, value: number): string {
  if (axis.high < 1e4 || value === 0) return said(value);
  if (!axis.log) return `${said(value / 1000)}k`;
  const power = Math.log10(value);
  return Math.abs(power - Math.round(power)) < 1e-9 ? tenTo(Math.round(power)) : said(value);
}

const tenTo = (power: number): string =>
  `10${[...`${power}`].map((each) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(each)] ?? "⁻").join("")}`;

/** From where to where a series goes, and how high between. */
function course(frame: number[][]): string {
  const [first, last] = [frame[0][1], frame[frame.length - 1][1]];
  const [at, most] = frame.reduce((highest, point) => (point[1] > highest[1] ? point : highest));
  const between = most > 1.05 * Math.max(first, last) ? `, at most ${said(most)} at ${said(at)}` : "";
  return frame.length > 1 ? `${said(first)} to ${said(last)}${between}` : said(first);
}

/** Where a value lies between the ends of its axis, from 0 to 1. */
export function place({ log, low, high }: Axis, value: number): number {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

class Figure {
  private readonly plot = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  private readonly slider: HTMLInputElement;
  private readonly shown = element("output", {});
  private readonly words = element("p", { class: "explore-words", "aria-live": "polite" });

  constructor(
    root: HTMLElement,
    private readonly asked: Explore,
  ) {
    const { label, values, start, series } = asked;
    this.slider = element("input", {
      type: "range",
      min: "0",
      max: `${values.length - 1}`,
      step: "1",
      "aria-label": label,
    });
    this.slider.value = `${start}`;
    this.slider.addEventListener("input", () => this.draw());
    const legend = element("ul", { class: "explore-legend" });
    for (const each of series) {
      const key = shape("svg", { viewBox: "0 0 30 10", width: 30, height: 10, "aria-hidden": "true" });
      const ends =
        each.style === "points"
          ? [[15, 5]]
          : [
              [3, 5],
              [27, 5],
            ];
      key.append(...marks(each, ends));
      const item = element("li", {}, each.name);
      item.prepend(key);
      legend.append(item);
    }
    root.replaceChildren(
      element("label", { class: "explore-slider" }, element("span", {}, `${label} = `, this.shown), this.slider),
      this.plot,
      legend,
      this.words,
    );
    root.hidden = false;
    this.draw();
  }

  private draw(): void {
    const { label, values, x, y, series } = this.asked;
    const at = Number(this.slider.value);
    this.shown.textContent = values[at];
    this.slider.setAttribute("aria-valuetext", `${label} = ${values[at]}`);
    this.plot.replaceChildren(...axes(x, y));
    const spoken: string[] = [];
    for (const each of series) {
      const frame = each.frames[at].filter((point): point is number[] => point.every((value) => value !== null));
      const inside = frame.filter(([a, b]) =>
        [place(x, a), place(y, b)].every((share) => share >= -1e-9 && share <= 1 + 1e-9),
      );
      const points = inside.map(([a, b, ...ends]) => [
        across(x, a),
        down(y, b),
        ...ends.map((end) => down(y, clipped(y, end))),
      ]);
      this.plot.append(...marks(each, points));
      if (frame.length) spoken.push(`${each.name}: ${course(frame)}`);
    }
    const text = `${label} = ${values[at]}. From left to right: ${x.label}, ${said(x.low)} to ${said(x.high)}. Upward: ${y.label}; ${spoken.join("; ")}.`;
    this.plot.setAttribute("aria-label", text);
    this.words.textContent = text;
  }
}

const across = (axis: Axis, value: number): number => LEFT + place(axis, value) * (WIDTH - LEFT - RIGHT);
const down = (axis: Axis, value: number): number => HEIGHT - BOTTOM - place(axis, value) * (HEIGHT - BOTTOM - TOP);
const clipped = ({ low, high }: Axis, value: number): number => Math.max(low, Math.min(high, value));

function axes(x: Axis, y: Axis): SVGElement[] {
  const [floor, right] = [HEIGHT - BOTTOM, WIDTH - RIGHT];
  const made: SVGElement[] = [];
  for (const value of y.ticks) {
    const at = down(y, value);
    made.push(shape("line", { class: "explore-grid", x1: LEFT, x2: right, y1: at, y2: at }));
    made.push(
      shape("text", { x: LEFT - 8, y: at, "text-anchor": "end", "dominant-baseline": "central" }, short(y, value)),
    );
  }
  for (const value of x.ticks) {
    const at = across(x, value);
    made.push(shape("line", { class: "explore-grid", x1: at, x2: at, y1: TOP, y2: floor }));
    made.push(
      shape("text", { x: at, y: floor + 8, "text-anchor": "middle", "dominant-baseline": "hanging" }, short(x, value)),
    );
  }
  made.push(shape("path", { class: "explore-axes", d: `M${LEFT} ${TOP}V${floor}H${right}` }));
  made.push(shape("text", { x: (LEFT + right) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, x.label));
  const middle = (TOP + floor) / 2;
  made.push(
    shape("text", { x: 14, y: middle, "text-anchor": "middle", transform: `rotate(-90 14 ${middle})` }, y.label),
  );
  return made;
}

/** The points [x, y] or [x, y, low, high] of a series, in the plot's own units. */
function marks({ color, style }: Series, points: number[][]): SVGElement[] {
  const paint = { class: `explore-${style}`, style: `--tone: var(--figure-${color})` };
  if (style === "points") {
    return points.flatMap(([x, y, low, high]) => {
      const dot = shape("circle", { ...paint, cx: x, cy: y, r: 4 });
      return low === undefined ? [dot] : [shape("path", { ...paint, d: `M${x} ${low}V${high}` }), dot];
    });
  }
  const first = points[0];
  if (!first) return [];
  const rest = points.slice(1).map(([x, y]) => (style === "steps" ? `H${x}V${y}` : `L${x} ${y}`));
  const path = shape("path", { ...paint, d: `M${first[0]} ${first[1]}${rest.join("")}` });
  if (first[2] === undefined) return [path];
  const edge = [
    ...points.map(([x, , low]) => `${x} ${low}`),
    ...points.map(([x, , , high]) => `${x} ${high}`).reverse(),
  ];
  return [shape("path", { ...paint, class: "explore-band", d: `M${edge.join("L")}Z` }), path];
}

function begin(root: HTMLElement): void {
  try {
    const text = root.querySelector("script[type='application/json']")?.textContent ?? "";
    new Figure(root, JSON.parse(text) as Explore);
  } catch (error) {
    root.hidden = true; // the static figure stands above
    console.warn(error);
  }
}

if (typeof document !== "undefined") {
  // One at a time, when the page has nothing better to do.
  const roots = [...document.querySelectorAll<HTMLElement>(".explore")];
  const next = (): void => {
    const root = roots.shift();
    if (root) begin(root);
    if (roots.length) soon(next);
  };
  const soon = window.requestIdleCallback ?? ((work: () => void) => setTimeout(work, 1));
  if (returned()) for (const root of roots.splice(0)) begin(root);
  else soon(next);
}
