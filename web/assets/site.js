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

  // Asks for the address that the browser shows and makes the page like the answer. A later question replaces an earlier.
  let asking = null;
  let shown = location.pathname + location.search;
  let last = Date.now();
  async function refresh() {
    if (asking) asking.abort();
    const mine = asking = new AbortController();
    try {
      const answer = await fetch(location.href, { cache: "no-cache", credentials: "same-origin", signal: mine.signal });
      const sent = Date.parse(answer.headers.get("date") || "");
      if (sent) ahead = Date.now() - sent;
      const text = await answer.text();
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(text, "text/html");
      tellAges(page);
      for (const part of ["main", "header.bar nav", "footer p"]) {
        const have = document.querySelector(part), want = page.querySelector(part);
        if (have && want) update(have, want);
      }
      document.title = page.title;
      body.dataset.zone = page.body.dataset.zone || "";
      shown = location.pathname + location.search;
      say("");
      document.dispatchEvent(new Event("ravenry:news"));
      return true;
    } catch (error) {
      if (mine.signal.aborted) return true;
      say("No answer from the collector; shown is what was known before");
      return false;
    } finally {
      if (asking === mine) asking = null;
      last = Date.now();
    }
  }

  // Another state of this page: the address changes, what stays the same on the page stays where it is.
  async function visit(address) {
    history.pushState(null, "", address);
    if (!await refresh()) location.reload();
  }
  addEventListener("popstate", () => { if (location.pathname + location.search !== shown) refresh(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-stay]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    visit(link.href);
  });

  // Live: the page stays fresh by itself. Who asked their system for less motion starts with a page that stands still.
  const button = document.getElementById("live-switch");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let chosen = null;
  try { chosen = localStorage.getItem("live"); } catch { /* no storage: the choice holds for this page */ }
  const live = () => chosen === null ? !still.matches : chosen === "yes";
  function say(text) {
    if (state.textContent !== text) state.textContent = text;
  }
  function showLive() {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(live()));
    button.textContent = live() ? "live" : "paused";
    button.title = live() ? "The page follows the readings; stop it" : "The page stands still; let it follow the readings";
  }
  function switchLive() {
    chosen = live() ? "no" : "yes";
    try { localStorage.setItem("live", chosen); } catch { /* as above */ }
    showLive();
    if (live()) refresh();
  }
  button.addEventListener("click", switchLive);
  still.addEventListener("change", showLive);
  showLive();

  // Who ticks boxes or writes into a form is not disturbed.
  function isFilling() {
    const focus = document.activeElement;
    return Boolean(document.querySelector("form.act input[type=checkbox]:checked") || focus && focus.closest && focus.closest("form"));
  }

  function tick() {
    if (document.hidden) return;
    tellAges(document);
    if (live() && Date.now() - last >= every && !document.body.classList.contains("dragging") && !isFilling()) refresh();
  }
  tellAges(document);
  if (sayZone()) refresh();
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  window.ravenry = { visit, switchLive };
})();
