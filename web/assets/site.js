// What the pages can do beyond links: show the viewer's own zone, tell ages, and stay fresh while someone looks.
// Everything here is an addition; without it a page shows the same facts, as of when it was loaded.
"use strict";
(() => {
  const body = document.body;
  const state = document.getElementById("live");
  const every = Math.max(5, Number(body.dataset.refresh) || 60) * 1000;

  // The server writes times in the zone that this cookie names.
  function sayZone() {
    let zone = "";
    try { zone = Intl.DateTimeFormat().resolvedOptions().timeZone || ""; } catch { return false; }
    if (!/^[A-Za-z0-9_+\-/]{2,40}$/.test(zone) || zone === body.dataset.zone) return false;
    if (document.cookie.split("; ").includes("tz=" + zone)) return false;
    document.cookie = "tz=" + zone + "; path=/; max-age=31536000; samesite=lax";
    return true;
  }

  function ageText(seconds) {
    if (seconds < 0) return "just now";
    if (seconds < 90) return Math.round(seconds) + " s ago";
    const minutes = Math.floor(seconds / 60);
    if (minutes < 90) return minutes + " min ago";
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return hours + " h " + (minutes % 60) + " min ago";
    return Math.floor(hours / 24) + " d " + (hours % 24) + " h ago";
  }

  // Ages are told by the server's clock, as far as it is known, so that a wrong clock here does not show silence.
  let ahead = 0;
  function tellAges(root) {
    const now = Date.now() - ahead;
    for (const time of root.querySelectorAll("time.age")) {
      if (!time.title) time.title = time.textContent;
      const text = ageText((now - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // Makes `have` like `want` and touches only what differs: scroll position, focus and loaded pictures stay.
  function update(have, want) {
    if (have.isEqualNode(want)) return;
    if (have.nodeType !== want.nodeType || have.nodeName !== want.nodeName) { have.replaceWith(want.cloneNode(true)); return; }
    if (have.nodeType !== Node.ELEMENT_NODE) { have.nodeValue = want.nodeValue; return; }
    for (const { name } of [...have.attributes]) if (!want.hasAttribute(name)) have.removeAttribute(name);
    for (const { name, value } of [...want.attributes]) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
    const old = [...have.childNodes], now = [...want.childNodes];
    if (old.length !== now.length) { have.replaceChildren(...now.map((node) => node.cloneNode(true))); return; }
    old.forEach((node, i) => update(node, now[i]));
  }

  let busy = false;
  async function refresh() {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-cache", credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const sent = Date.parse(answer.headers.get("date") || "");
      if (sent) ahead = Date.now() - sent;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      tellAges(page);
      for (const part of ["main", "header.bar nav", "footer"]) {
        const have = document.querySelector(part), want = page.querySelector(part);
        if (have && want) update(have, want);
      }
      document.title = page.title;
      body.dataset.zone = page.body.dataset.zone || "";
      state.textContent = "";
    } catch (error) {
      state.textContent = "No answer from the collector; shown is what was known before";
    } finally {
      busy = false;
      last = Date.now();
    }
  }

  let last = Date.now();
  function tick() {
    if (document.hidden) return;
    tellAges(document);
    if (Date.now() - last >= every) refresh();
  }
  tellAges(document);
  if (sayZone()) refresh();
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
})();
