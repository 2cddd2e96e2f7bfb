// For every page.

import { returned } from "./returned";

const BOXES =
  ".math > .equation, .pst-scrollable-table-container, div.cell_output .output.text_html, .bd-article div.highlight pre";

// What is too wide and scrolls in a box of its own can be reached, and scrolled, from the keyboard. The observer is told
// of a box when it is first laid out, such as when hidden code is opened, and after each change of its width.
const seen = new ResizeObserver((boxes) => {
  const wide = boxes.map(({ target }) => target.scrollWidth > target.clientWidth);
  for (const [index, { target }] of boxes.entries()) {
    if (wide[index]) target.setAttribute("tabindex", "0");
    else target.removeAttribute("tabindex");
  }
});
for (const box of document.querySelectorAll(BOXES)) seen.observe(box);

// A long chapter takes a phone a second to lay out. The style sheet leaves out what is far below the window; it follows
// here, block by block, once the reader scrolls, or when the page has been there for a while. A window that changes its
// size, for a picture of the whole page or on a phone that is turned, shows all of it at once.
const STEP = 10; // ms
const WAIT = 2000; // ms
const blocks = [...document.querySelectorAll<HTMLElement>(".bd-article section > :not(section, h1, h2, h3, h4)")];
const layOut = (limit: number): void => {
  const end = performance.now() + limit;
  for (let block = blocks.shift(); block; block = blocks.shift()) {
    block.style.contentVisibility = "visible";
    if (limit < Infinity) block.getBoundingClientRect();
    if (performance.now() > end) break;
  }
  if (!blocks.length) document.documentElement.dataset.whole = "";
};
const channel = new MessageChannel(); // timers that follow on one another wait 4 ms each
channel.port1.onmessage = (): void => {
  layOut(STEP);
  if (blocks.length) channel.port2.postMessage(null);
};
let begun = false;
const begin = (): void => {
  if (!begun) channel.port2.postMessage(null);
  begun = true;
};
addEventListener("scroll", begin, { passive: true });
addEventListener("resize", () => layOut(Infinity));
addEventListener("load", () => setTimeout(begin, WAIT));
// The theme, whose script comes after this one, waits for the same event to give tab stops to blocks of code, whether they
// scroll or not, and lays the page out once for each of them. The boxes above have their tab stops: it is not told.
addEventListener("load", (event) => event.stopImmediatePropagation());
if (returned()) layOut(Infinity);

// An old address may name a claim, a figure or an equation that is on another page now: this script knows its page.
const forward = (): void => {
  const anchor = decodeURIComponent(location.hash.slice(1));
  if (!anchor || document.getElementById(anchor)) return;
  const { content_root: root = "../" } = document.documentElement.dataset;
  document.head.append(Object.assign(document.createElement("script"), { src: `${root}_static/moved.js` }));
};
addEventListener("hashchange", forward);
forward();

// The menus of the page's head.
const opened = (): HTMLElement | null => document.querySelector('[data-bs-toggle="dropdown"][aria-expanded="true"]');
const show = (button: HTMLElement, now: boolean): void => {
  button.setAttribute("aria-expanded", String(now));
  button.nextElementSibling?.classList.toggle("show", now);
};
addEventListener("click", ({ target }) => {
  const [before, button] = [opened(), (target as Element).closest<HTMLElement>('[data-bs-toggle="dropdown"]')];
  if (before) show(before, false);
  if (button && button !== before) show(button, true);
});
addEventListener("focusin", ({ target }) => {
  const button = opened();
  if (button && !button.parentElement?.contains(target as Node)) show(button, false);
});
addEventListener("keydown", (event) => {
  const button = event.key === "Escape" && opened();
  if (!button) return;
  show(button, false);
  button.focus();
});
