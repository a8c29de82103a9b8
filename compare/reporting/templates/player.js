"use strict";
// Tokens on the sphere over depth: each player reads its own data, draws dots, and moves them.
const PAUSE = 300, PACE = 350; // milliseconds at the first depth, and from each depth to the next
const leap = matchMedia("(prefers-reduced-motion: reduce)");
for (const player of document.querySelectorAll(".player")) {
  const data = JSON.parse(player.querySelector("script").textContent);
  const svg = player.querySelector("svg"), slider = player.querySelector("input");
  const button = player.querySelector("button"), label = player.querySelector("output");
  const dots = [...svg.querySelectorAll("g.dot")];
  const back = svg.querySelector("g.back"), front = svg.querySelector("g.front");
  const end = data.depths.length - 1;
  let depth = end, turn = 0, tilt = 0, frame = 0;
  slider.max = end;

  const show = () => {
    const [c, s, u, v] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const nearest = Math.round(depth), at = leap.matches ? nearest : depth;
    const share = at - Math.floor(at), here = data.points[Math.floor(at)], next = data.points[Math.ceil(at)];
    const place = (index) => ((1 - share) * here[index] + share * next[index]) / 1000;
    dots.forEach((dot, token) => {
      const up = place(3 * token), side = place(3 * token + 1), towards = place(3 * token + 2);
      const x = c * side + s * towards, z = c * towards - s * side;
      const y = u * up - v * z, near = u * z + v * up;
      dot.setAttribute("transform", `translate(${x.toFixed(3)} ${(-y).toFixed(3)})`);
      const half = near < 0 ? back : front;
      if (dot.parentNode !== half) half.append(dot);
    });
    slider.value = nearest;
    label.textContent = data.depths[nearest];
    slider.setAttribute("aria-valuetext", data.depths[nearest]);
  };
  const stop = () => { cancelAnimationFrame(frame); frame = 0; depth = Math.round(depth); button.textContent = "Play"; show(); };
  const play = (from, begun) => {
    depth = Math.min(from + Math.max(0, performance.now() - begun - PAUSE) / PACE, end);
    if (depth >= end) { stop(); return; }
    show();
    frame = requestAnimationFrame(() => play(from, begun));
  };
  const turnBy = (right, down) => { turn += right; tilt += down; show(); };

  button.addEventListener("click", () => {
    if (frame) { stop(); return; }
    button.textContent = "Stop";
    play(depth >= end ? 0 : depth, performance.now());
  });
  slider.addEventListener("input", () => { const chosen = Number(slider.value); stop(); depth = chosen; show(); });
  svg.addEventListener("pointermove", (event) => { if (event.buttons) turnBy(event.movementX / 120, event.movementY / 120); });
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (by) { event.preventDefault(); turnBy(...by); }
  });
  show();
}
// One button opens every line of evidence, and closes them again.
const unfolder = document.querySelector("button.unfold");
unfolder?.addEventListener("click", () => {
  const panels = [...document.querySelectorAll(".panel")], opening = panels.some((panel) => !panel.open);
  for (const panel of panels) panel.open = opening;
  unfolder.textContent = opening ? "Close every line" : "Open every line";
});
// A link to what stands inside a closed block opens it.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let block = target; block; block = block.parentElement) if (block.tagName === "DETAILS") block.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
if (location.hash) unfold();
