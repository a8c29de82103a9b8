"use strict";
// Tokens on a sphere that is turned by dragging and by the arrow keys; hollow marks are on the far side.

const LEANING = 1.25; // radians by which the first axis leans to the reader
const SVG = "http://www.w3.org/2000/svg";
const drawn = (name, attributes = {}, text = "") => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
};
const SHAPES = [
  "M-1 0A1 1 0 1 0 1 0A1 1 0 1 0-1 0Z", "M-.9-.9H.9V.9H-.9Z", "M0-1.25L1.15.75H-1.15Z", "M0-1.3L1.1 0 0 1.3-1.1 0Z",
  "M-.4-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z",
];

// svg: an empty one. colours: of clusters. chosen(token): called where a mark is clicked. told(name): with the name of the
// token under the pointer, "" where there is none.
// Returns show({ points, looks, names, token }): coordinates (token, 3), of which the first leans to the reader at the
// start, or is up where the third is 0, as on the circle; the look of each token, -1 for one that is alone; the token that
// is picked.
function sphere(svg, colours, chosen, told) {
  svg.setAttribute("viewBox", "-112 -112 224 224");
  const back = drawn("g", { class: "back" }), front = drawn("g");
  svg.replaceChildren(drawn("circle", { class: "ball", r: 100 }), back, front);
  let turn = 0, tilt = 0, dots = [], shown = null, from = null;

  const make = (names) => {
    dots = names.map((name, token) => {
      const dot = drawn("path", { class: "dot" });
      dot.append(drawn("title", {}, name));
      dot.addEventListener("click", () => chosen(token));
      dot.addEventListener("pointerenter", () => told(name));
      dot.addEventListener("pointerleave", () => told(""));
      return dot;
    });
    back.replaceChildren();
    front.replaceChildren(...dots);
  };
  const place = () => {
    const [c, s, u, v] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    dots.forEach((dot, token) => {
      const [up, side, towards] = shown.points.subarray(3 * token, 3 * token + 3);
      const x = c * side + s * towards, z = c * towards - s * side;
      const y = u * up - v * z, near = u * z + v * up;
      const look = shown.looks[token], picked = token === shown.token;
      const size = (look < 0 ? 3 : 4.6) * (picked ? 1.8 : 1);
      dot.setAttribute("d", SHAPES[look < 0 ? 0 : Math.floor(look / colours.length) % SHAPES.length]);
      dot.setAttribute("transform", `translate(${(100 * x).toFixed(2)} ${(-100 * y).toFixed(2)}) scale(${size})`);
      dot.style.color = look < 0 ? "" : colours[look % colours.length];
      dot.classList.toggle("picked", picked);
      const half = near < -1e-9 ? back : front;
      if (dot.parentNode !== half) half.append(dot);
    });
    if (dots[shown.token]) dots[shown.token].parentNode.append(dots[shown.token]);
  };
  const turnBy = (right, down) => { turn += right; tilt += down; if (shown) place(); };

  svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; });
  svg.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    turnBy((event.clientX - from[0]) / 120, (event.clientY - from[1]) / 120);
    from = [event.clientX, event.clientY];
  });
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (by) { event.preventDefault(); turnBy(...by); }
  });
  return (next) => {
    if (next.names !== shown?.names) {
      make(next.names);
      [turn, tilt] = [0, next.points.some((value, k) => k % 3 === 2 && value !== 0) ? LEANING : 0];
    }
    shown = next;
    place();
  };
}
