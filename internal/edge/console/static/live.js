// Makes a page live: when something of its topic changes, the page is fetched again and its main part replaced.
// Without this file the pages work as they are.
"use strict";
(() => {
  const { topic, at } = document.body.dataset;
  if (!topic || !window.EventSource) return;
  const offline = document.getElementById("offline");
  let wanted = false, busy = false, version = 0;

  const refresh = async () => {
    if (busy) { wanted = true; return; }
    busy = true;
    try {
      do {
        wanted = false;
        const url = new URL(location.pathname, location.href);
        if (version > 0) url.searchParams.set("minVersion", version);
        const response = await fetch(url, { headers: { accept: "text/html" } });
        if (response.ok) swap(await response.text());
      } while (wanted);
    } catch (_) {
      setTimeout(refresh, 1000);
    } finally {
      busy = false;
    }
  };

  // What the guest has typed stays, and so does the focus.
  const swap = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
    const main = document.getElementById("main");
    if (!fresh || fresh.innerHTML === main.innerHTML) return;
    const focused = document.activeElement && document.activeElement.id;
    const typed = new Map([...main.querySelectorAll("input[type=number]")].map((i) => [i.id, i.value]));
    main.replaceWith(fresh);
    typed.forEach((value, id) => {
      const input = document.getElementById(id);
      if (input && !input.disabled) input.value = value;
    });
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
  };

  const source = new EventSource("/live?topic=" + encodeURIComponent(topic) + "&at=" + at);
  source.addEventListener("change", (e) => {
    if (topic.startsWith("order:")) version = Math.max(version, JSON.parse(e.data).version);
    refresh();
  });
  source.onopen = () => { offline.hidden = true; };
  source.onerror = () => { offline.hidden = false; };
})();
