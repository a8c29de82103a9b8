"use strict";
// The live simulator: tokens under attention with Q = K = I, run in the page.

const PACE = 1.2, STEPS_A_FRAME = 60, TOLERANCE = 1e-6, FIRST_TIME = 0.01, MOST_HISTORY = 400;

function simulator(root, colours) {
  const part = (name) => root.querySelector(`[name=${name}]`), said = root.querySelector("output.state");
  const button = root.querySelector(".start");
  let state, past, names, seed = 0, frame = 0, before = 0;
  const dimension = () => Number(part("dimension").value);
  const radius = () => 10 ** Number(document.querySelector("#radius").value);
  const field = () => ({
    beta: 10 ** Number(part("beta").value), kind: part("kind").value, sign: Number(part("value").value), causal: part("causal").checked,
  });
  const showSphere = sphere(root.querySelector(".ball-of-tokens"), colours, () => {}, () => {});
  const showCharts = charts(root.querySelector(".charts"), null);

  const show = () => {
    const { points, time } = state, count = names.length, d = dimension(), chords = chordsOf(points, d);
    const clusters = clustersAt(chords, count, radius()), { beta } = field();
    const energy = energyOf(chords, names.map(() => 1 / count), beta), clustered = numberOf(clusters);
    if (past.depths.at(-1) !== time) {
      past = { depths: [...past.depths, time], energies: [...past.energies, energy], numbers: [...past.numbers, clustered] };
      if (past.depths.length > MOST_HISTORY) for (const each of Object.keys(past)) past[each] = past[each].filter((_, k) => k % 2 === 0);
    }
    const placed = new Float64Array(3 * count);
    for (let i = 0; i < count; i++) for (let k = 0; k < d; k++) placed[3 * i + k] = points[d * i + k];
    showSphere({ points: placed, looks: looksOf(clusters, names.map((_, i) => i)), names, token: -1 });
    showCharts({ ...past, unit: "t", tree: null, at: past.depths.length - 1, label: "energy" });
    said.textContent = `t = ${number(time)}: ${counted(clustered, "cluster")}, energy ${number(energy)}`;
    root.querySelector(".beta-said").textContent = number(beta);
  };
  const stop = () => { cancelAnimationFrame(frame); frame = 0; button.textContent = "Start"; };
  const begin = () => {
    const count = Math.min(64, Math.max(2, Math.round(Number(part("tokens").value)) || 2));
    part("tokens").value = count;
    names = Array.from({ length: count }, (_, i) => `token ${i + 1}`);
    state = { points: uniformPoints(count, dimension(), seed), time: 0, step: FIRST_TIME };
    past = { depths: [], energies: [], numbers: [] };
    show();
  };
  const go = (now) => {
    const passed = Math.min(0.1, (now - before) / 1000);
    before = now;
    const until = Math.max(state.time, FIRST_TIME) * Math.exp(PACE * passed);
    const rule = field();
    for (let steps = 0; steps < STEPS_A_FRAME && state.time < until; steps++) {
      state = advance(state, dimension(), rule, until, TOLERANCE);
    }
    show();
    frame = requestAnimationFrame(go);
  };
  button.addEventListener("click", () => {
    if (frame) { stop(); return; }
    button.textContent = "Stop";
    before = performance.now();
    frame = requestAnimationFrame(go);
  });
  root.querySelector(".again").addEventListener("click", () => { seed += 1; begin(); });
  for (const name of ["tokens", "dimension"]) part(name).addEventListener("change", begin);
  for (const name of ["beta", "kind", "value", "causal"]) {
    part(name).addEventListener("input", () => { state.step = Math.min(state.step, FIRST_TIME); show(); });
  }
  document.querySelector("#radius").addEventListener("input", show);
  begin();
}
simulator(document.querySelector("#simulator"), JSON.parse(document.querySelector("#data").textContent).colours);
