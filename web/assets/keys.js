// What the keyboard does on every page: / searches, ? tells of all keys. Nothing here is needed to use a page.
"use strict";
(() => {
  const search = document.getElementById("q");
  const help = document.getElementById("keys");
  const leads = { o: "/", i: "/incidents", p: "/problems", d: "/downtimes", a: "/agents", v: "/views", s: "/search" };
  let waiting = false;
  let timer = 0;

  const writes = (element) => element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.nodeName));

  // What j and k go through: the first link of each row, card or hit of the page.
  function stops() {
    const found = [];
    for (const place of document.querySelectorAll("main tbody tr, main .card, main .hits li, main .wall a")) {
      const link = place.matches("a") ? place : place.querySelector("a[href]");
      if (link && link.offsetParent !== null && !found.includes(link)) found.push(link);
    }
    return found;
  }

  function step(by) {
    const all = stops();
    if (!all.length) return;
    const here = all.findIndex((link) => link === document.activeElement);
    const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by));
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  }

  function lead(key) {
    if (key === "h") { history.back(); return true; }
    if (!leads[key]) return false;
    location.assign(leads[key]);
    return true;
  }

  function wait(yes) {
    waiting = yes;
    clearTimeout(timer);
    if (yes) timer = setTimeout(() => { waiting = false; }, 1500);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key;
    if (key === "Escape" && document.activeElement === search) { search.blur(); return; }
    if (writes(document.activeElement) || (help && help.open)) return;
    if (waiting) {
      wait(false);
      if (lead(key)) event.preventDefault();
      return;
    }
    if (key === "/" && search) { search.focus(); search.select(); }
    else if (key === "?" && help) help.showModal();
    else if (key === "g") wait(true);
    else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "l") {
      const live = document.getElementById("live-switch");
      if (live && !live.hidden) live.click();
    } else return;
    event.preventDefault();
  });

  const opener = document.getElementById("keys-open");
  if (opener && help) {
    opener.hidden = false;
    opener.addEventListener("click", () => help.showModal());
    document.getElementById("keys-close").addEventListener("click", () => help.close());
  }
})();
