// For every page: what is too wide and scrolls in a box of its own can be reached, and scrolled, from the keyboard.

const BOXES =
  ".math > mjx-container, .pst-scrollable-table-container, div.cell_output .output.text_html, .bd-article div.highlight pre";

function settle(): void {
  for (const box of document.querySelectorAll<HTMLElement>(BOXES)) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

const { MathJax } = window as unknown as { MathJax?: { startup?: { promise?: Promise<void> } } };
const article = document.querySelector(".bd-article");
if (article) {
  new ResizeObserver(settle).observe(article);
  MathJax?.startup?.promise?.then(settle);
}
