"use strict";
/* Attention figures: a token, under the pointer or the focus, says its numbers. */
const show = (figure, from) => {
  const said = figure.querySelector(".said");
  const word = from.querySelector("bdi");
  said.textContent = (word ? word.textContent + ": " : "") + from.dataset.say;
  for (const token of figure.querySelectorAll(".token[aria-pressed]")) token.removeAttribute("aria-pressed");
  if (word) from.setAttribute("aria-pressed", "true");
  if (!from.dataset.weights) return;
  const weights = from.dataset.weights.split(" ").map(Number);
  for (const bar of figure.querySelectorAll(".bar")) bar.style.setProperty("--share", weights[bar.dataset.object]);
  for (const box of figure.querySelectorAll(".box")) box.style.strokeWidth = 1 + 5 * weights[box.dataset.object];
};
for (const figure of document.querySelectorAll(".attends")) {
  for (const event of ["pointerover", "focusin", "click"]) {
    figure.addEventListener(event, (found) => {
      const from = found.target.closest("[data-say]");
      if (from) show(figure, from);
    });
  }
  /* One stop for the tab key; the arrow keys go from token to token. */
  const tokens = [...figure.querySelectorAll(".token")];
  const words = figure.querySelector(".words");
  if (!words) continue;
  words.addEventListener("keydown", (found) => {
    const at = tokens.indexOf(found.target.closest(".token"));
    const onward = getComputedStyle(words).direction === "rtl" ? -1 : 1;
    const steps = { ArrowRight: onward, ArrowLeft: -onward, ArrowDown: 1, ArrowUp: -1, Home: -at, End: tokens.length - 1 - at };
    if (at < 0 || !(found.key in steps)) return;
    found.preventDefault();
    const next = tokens[Math.min(Math.max(at + steps[found.key], 0), tokens.length - 1)];
    tokens[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  words.addEventListener("focusin", (found) => {
    const token = found.target.closest(".token");
    for (const other of tokens) other.tabIndex = other === token ? 0 : -1;
  });
}
for (const tools of document.querySelectorAll(".tools")) {
  const button = tools.querySelector("button");
  const figures = [...tools.closest("section").querySelectorAll("details.attention")];
  tools.hidden = false;
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    for (const figure of figures) figure.open = open;
  });
}
/* On paper, what is folded for the screen's sake is open. */
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.printed:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
