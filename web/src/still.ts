// Prints a still picture of the tour's last stop as SVG: the run at three steps, with the two features that come to share
// a neuron. `npm run still` writes it to book/assets/playground/tour.svg.

import { sharedNeurons, told } from "./life";
import { type Favorite, favorites } from "./physics";
import { Run } from "./run";
import { stateAt, TOUR } from "./tour";

const [WIDTH, HEAD, ROW, LEFT] = [720, 30, 72, 8];
const stop = TOUR[TOUR.length - 1];
const [n, m] = [stateAt(stop).n, stateAt(stop).m];
const STEPS = [0, 200, stop.to];

const x = (k: number): number => Math.round(LEFT + ((k + 0.5) * (WIDTH - 2 * LEFT)) / m);
const y = (weight: number, top: number): number => Math.round(top + ROW / 2 - weight * (ROW / 2 - 7));

/** Dots as one path: each is a line without length, with a round cap. */
const dots = (kind: string, points: number[][]): string =>
  points.length ? `<path class="${kind}" d="${points.map(([a, b]) => `M${a} ${b}h0`).join("")}"/>` : "";

function row(W: Float64Array, now: Favorite[], top: number, marked: number[], neuron: number): string {
  const signs = [1, -1];
  const kind = (sign: number): string => (sign > 0 ? "plus" : "minus");
  const parts = [
    `<path class="band" d="M${x(neuron)} ${top - 4}v${ROW + 4}"/>`,
    `<path class="zero" d="M${LEFT} ${y(0, top)}H${WIDTH - LEFT}"/>`,
  ];
  for (const sign of signs) {
    const seen = Array.from(W.keys()).filter((at) => sign * W[at] > 0.05);
    parts.push(
      dots(
        `small ${kind(sign)}`,
        seen.map((at) => [x(at % m), y(W[at], top)]),
      ),
    );
  }
  for (let k = 0; k < m; k++) {
    const on = now.filter((each) => each.neuron === k);
    if (on.length < 2) continue;
    const ends = on.map(({ weight }) => y(weight, top));
    const what = on.length === 2 && on[0].weight * on[1].weight < 0 ? "benign" : "malign";
    parts.push(`<path class="${what}" d="M${x(k)} ${Math.min(...ends)}V${Math.max(...ends)}"/>`);
    parts.push(
      dots(
        `${what} under`,
        ends.map((end) => [x(k), end]),
      ),
    );
  }
  for (const sign of signs) {
    const large = now.filter(({ weight }) => sign * weight > 0);
    parts.push(
      dots(
        kind(sign),
        large.map((each) => [x(each.neuron), y(each.weight, top)]),
      ),
    );
  }
  for (const i of marked) {
    const [across, down] = [x(now[i].neuron), y(now[i].weight, top)];
    const left = now[i].neuron > m / 2;
    const place = `x="${across + (left ? -13 : 13)}" y="${down}"${left ? ' class="left"' : ""}`;
    parts.push(`<circle cx="${across}" cy="${down}" r="9"/>`, `<text ${place} dy=".35em">feature ${i}</text>`);
  }
  return parts.filter(Boolean).join("\n");
}

function picture(): string {
  const run = new Run(stateAt(stop));
  const moments = STEPS.map((step) => {
    while (run.step < step) run.advance();
    const W = run.network.W.slice();
    return { step, W, now: favorites(W, n, m) };
  });
  const one = told(sharedNeurons(run));
  if (!one) throw new Error("no two features of this run began on different neurons and share one in the end");
  const rows = moments.map(({ step, W, now }, place) => {
    const top = (place + 1) * HEAD + place * ROW;
    const when = step === 0 ? "start" : `step ${step.toLocaleString("en-US")}`;
    const title = place === STEPS.length - 1 ? `end, ${when}` : when;
    return `<text class="when" x="${LEFT}" y="${top - 8}">${title}</text>\n${row(W, now, top, one.features, one.neuron)}`;
  });
  const height = STEPS.length * (HEAD + ROW) + 6;
  const colors = (ground: string, ink: string, muted: string, rest: string[]): string =>
    `--ground:${ground};--ink:${ink};--muted:${muted};--plus:${rest[0]};--minus:${rest[1]};--benign:${rest[2]};--malign:${rest[3]};--run:${rest[4]}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">
<style>
svg{color-scheme:light dark;${colors("#ffffff", "#222222", "#6c727c", ["#d55e00", "#23308f", "#009e73", "#cc79a7", "#6a3d9a"])}}
@media (prefers-color-scheme:dark){svg{${colors("#14181e", "#eceff2", "#8f98a3", ["#ff8a3d", "#97a3ff", "#2fc79b", "#e79cc6", "#b795e0"])}}}
rect{fill:var(--ground)}
text{font:15px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--ground);stroke-width:7px;stroke-linejoin:round}
@media (max-width:520px){text{font-size:25px;stroke-width:12px}}
.left{text-anchor:end}
.when{fill:var(--muted)}
path,circle{fill:none;stroke-linecap:round;stroke-width:8px}
.small{stroke-width:3px;opacity:.5}
.plus{stroke:var(--plus)}
.minus{stroke:var(--minus)}
.benign{stroke:var(--benign);stroke-width:3px}
.malign{stroke:var(--malign);stroke-width:3px}
.under{stroke-width:12px}
circle{stroke:var(--run);stroke-width:2px}
.zero{stroke:var(--muted);stroke-width:1px;opacity:.5}
.band{stroke:var(--run);stroke-width:16px;stroke-linecap:butt;opacity:.2}
</style>
<rect width="${WIDTH}" height="${height}" rx="4"/>
${rows.join("\n")}
</svg>`;
}

console.log(picture());
