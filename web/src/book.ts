// For every page: what is too wide and scrolls in a box of its own can be reached, and scrolled, from the keyboard.

const BOXES =
  ".math > mjx-container, .pst-scrollable-table-container, div.cell_output .output.text_html, .bd-article div.highlight pre";

// Told of a box when it is first laid out, such as when hidden code is opened, and after each change of its width.
const seen = new ResizeObserver((boxes) => {
  const wide = boxes.map(({ target }) => target.scrollWidth > target.clientWidth);
  for (const [index, { target }] of boxes.entries()) {
    if (wide[index]) target.setAttribute("tabindex", "0");
    else target.removeAttribute("tabindex");
  }
});

for (const box of document.querySelectorAll(BOXES)) seen.observe(box);
