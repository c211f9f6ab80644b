// Pictures that answer to the pointer: dragging over one sets the time of all graphs of the page, pointing at one tells the
// numbers of that moment. Where a picture's plot is, and what its numbers are, comes from the server, beside the picture.
"use strict";
(() => {
  const DRAG_LEAST = 6;
  const layer = document.body.appendChild(make("div", "over"));
  const box = layer.appendChild(make("div", "readout"));
  const band = layer.appendChild(make("div", "band"));
  const crosses = [];
  const known = new Map();
  const KNOWN_MAX = 60;
  let here = null;
  let drag = null;
  let skipClick = false;
  layer.setAttribute("aria-hidden", "true");
  box.hidden = band.hidden = true;

  function make(name, className, text) {
    const element = document.createElement(name);
    element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // What the picture shows: {values}, or {} until it is known.
  function about(img) {
    const address = (img.currentSrc || img.src).replace(".svg?", ".values.json?");
    let entry = known.get(address);
    if (!entry) {
      entry = { values: null };
      entry.ready = fetch(address, { credentials: "same-origin" })
        .then((answer) => answer.ok ? answer.json() : null)
        .then((values) => { entry.values = values; if (here) point(here.img, here.x, here.y); })
        .catch(() => known.delete(address));
      known.set(address, entry);
      if (known.size > KNOWN_MAX) known.delete(known.keys().next().value);
    }
    return entry;
  }

  // The plot on the screen.
  function plotOf(img, values) {
    if (!values || !values.plot) return null;
    const rect = img.getBoundingClientRect();
    const scale = rect.width / values.size[0];
    const [x, y, width, height] = values.plot;
    return { left: rect.left + x * scale, top: rect.top + y * scale, width: width * scale, height: height * scale, from: values.from, to: values.to };
  }
  const timeAt = (plot, x) => plot.from + (plot.to - plot.from) * Math.min(1, Math.max(0, (x - plot.left) / plot.width));
  const placeOf = (plot, time) => plot.left + plot.width * (time - plot.from) / (plot.to - plot.from);

  function put(element, left, top, width, height) {
    element.style.left = left + scrollX + "px";
    element.style.top = top + scrollY + "px";
    if (width !== undefined) { element.style.width = Math.max(1, width) + "px"; element.style.height = height + "px"; }
    element.hidden = false;
  }

  function timeText(seconds) {
    const form = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    try { return new Intl.DateTimeFormat("sv-SE", { ...form, timeZone: document.body.dataset.zone || "UTC" }).format(seconds * 1000); }
    catch { return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " "); }
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  function tell(values, time, x, y) {
    const row = Math.min(Math.floor((time - values.start) / values.step), Math.max(0, ...values.lines.map((line) => line.texts.length)) - 1);
    box.replaceChildren(make("div", "when", row >= 0 ? timeText(values.start + (row + 1) * values.step) : timeText(time)));
    const table = box.appendChild(make("table", ""));
    for (const line of values.lines) {
      const tr = table.insertRow();
      const name = tr.appendChild(make("th", ""));
      name.appendChild(make("i", "")).style.background = dark.matches ? line.dark : line.light;
      name.append(line.label);
      const text = row >= 0 ? line.texts[row] : null;
      tr.appendChild(make("td", "n", text === null || text === undefined ? "–" : text));
    }
    box.hidden = false;
    const size = box.getBoundingClientRect(), gap = 14;
    const left = x + gap + size.width > document.documentElement.clientWidth ? Math.max(2, x - gap - size.width) : x + gap;
    const top = Math.max(2, Math.min(y + gap, innerHeight - size.height - 2));
    put(box, left, top);
  }

  // A line through that moment in every picture that is in sight and known.
  function cross(time) {
    let used = 0;
    for (const img of document.querySelectorAll("img.graph")) {
      const rect = img.getBoundingClientRect();
      if (rect.bottom < 0 || rect.top > innerHeight || !rect.width) continue;
      const entry = known.get((img.currentSrc || img.src).replace(".svg?", ".values.json?"));
      const plot = plotOf(img, entry && entry.values);
      if (!plot || time < plot.from || time > plot.to) continue;
      if (!crosses[used]) crosses.push(layer.appendChild(make("div", "cross")));
      put(crosses[used++], placeOf(plot, time), plot.top, 1, plot.height);
    }
    for (const rest of crosses.slice(used)) rest.hidden = true;
  }

  function point(img, x, y) {
    here = { img, x, y };
    const { values } = about(img);
    const plot = plotOf(img, values);
    const inside = plot && x >= plot.left && x <= plot.left + plot.width && y >= plot.top && y <= plot.top + plot.height;
    if (!inside && !drag) { hide(); here = { img, x, y }; return; }
    if (!plot) return;
    const time = timeAt(plot, x);
    cross(time);
    if (drag) showBand(plot, x); else tell(values, time, x, y);
  }

  function showBand(plot, x) {
    const at = Math.min(plot.left + plot.width, Math.max(plot.left, x));
    const from = Math.min(plot.left + plot.width, Math.max(plot.left, drag.x));
    put(band, Math.min(from, at), plot.top, Math.abs(at - from), plot.height);
    box.replaceChildren(make("div", "when", timeText(timeAt(plot, Math.min(from, at))) + " to " + timeText(timeAt(plot, Math.max(from, at)))));
    put(box, Math.max(2, Math.min(at, document.documentElement.clientWidth - 300)), plot.top + plot.height + 4);
  }

  function hide() {
    here = null;
    box.hidden = band.hidden = true;
    for (const one of crosses) one.hidden = true;
  }
  function letGo() {
    drag = null;
    document.body.classList.remove("dragging");
    hide();
  }

  // This page with another stretch of time; what else its address says stays.
  function over(start, end) {
    const query = new URLSearchParams(location.search);
    for (const name of ["tz", "period"]) query.delete(name);
    query.set("start", String(Math.floor(start)));
    query.set("end", String(Math.ceil(end)));
    return "?" + query;
  }

  const graphOf = (event) => event.target instanceof Element ? event.target.closest("img.graph") : null;
  document.addEventListener("pointermove", (event) => {
    if (drag) { if (event.pointerId === drag.id) point(drag.img, event.clientX, event.clientY); return; }
    const img = graphOf(event);
    if (img) point(img, event.clientX, event.clientY); else if (here) hide();
  });
  document.addEventListener("pointerdown", (event) => {
    skipClick = false;
    const img = graphOf(event);
    if (!img || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    about(img);
    drag = { img, x: event.clientX, id: event.pointerId };
    document.body.classList.add("dragging");
  });
  document.addEventListener("pointerup", async (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const { img, x } = drag, to = event.clientX;
    letGo();
    if (Math.abs(to - x) < DRAG_LEAST) return;
    skipClick = true;
    const entry = about(img);
    await entry.ready;
    const plot = plotOf(img, entry.values);
    if (!plot) return;
    let [start, end] = [timeAt(plot, Math.min(x, to)), timeAt(plot, Math.max(x, to))];
    if (end - start < 120) [start, end] = [(start + end) / 2 - 60, (start + end) / 2 + 60];
    window.ravenry.visit(over(start, end));
  });
  document.addEventListener("pointercancel", letGo);
  addEventListener("blur", letGo);
  addEventListener("scroll", () => { if (!drag) hide(); }, { passive: true });
  document.addEventListener("ravenry:news", () => { if (!drag) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") letGo(); });
  document.addEventListener("dragstart", (event) => { if (graphOf(event)) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    if (skipClick && graphOf(event)) { event.preventDefault(); event.stopPropagation(); }
    skipClick = false;
  }, true);
})();
