// Loads a page again while it is looked at, and lets the reader pause that. Without it every page works by its links.
"use strict";
(() => {
  const main = document.getElementById("main");
  const seconds = Number(main && main.dataset.refresh);
  const clock = document.querySelector(".clock");
  if (!seconds || !clock) return;

  const button = document.createElement("button");
  button.type = "button";
  let isPaused = false;
  const label = () => { button.textContent = isPaused ? "Continue" : "Pause"; };
  button.addEventListener("click", () => { isPaused = !isPaused; label(); });
  label();
  clock.append(" ", button);

  // What is open, selected or focused stays as the reader left it.
  const isBusy = () => {
    const focused = document.activeElement;
    const selection = document.getSelection();
    return isPaused || document.hidden || main.querySelector("details[open]") !== null
      || (focused !== null && main.contains(focused) && focused !== main)
      || (selection !== null && !selection.isCollapsed);
  };

  const refresh = async () => {
    if (!isBusy()) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
        const type = answer.headers.get("content-type") || "";
        if (type.startsWith("text/html")) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.getElementById("main");
          const time = page.querySelector(".clock time");
          if (fresh && !isBusy()) {
            main.replaceChildren(...fresh.childNodes);
            clock.querySelector("time").replaceWith(time);
            document.title = page.title;
          }
        }
      } catch {
        // The console is unreachable: the page stays, and its clock shows how old it is.
      }
    }
    setTimeout(refresh, seconds * 1000);
  };
  setTimeout(refresh, seconds * 1000);
})();
