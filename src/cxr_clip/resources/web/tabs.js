// Tabs as the ARIA practices have them: arrows move, one panel is open.

import { byId } from "./elements.js";

export function joinTabs(list) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const open = (tab) => {
    for (const one of tabs) {
      const chosen = one === tab;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
      byId(one.getAttribute("aria-controls")).hidden = !chosen;
    }
  };
  list.addEventListener("click", ({ target }) => {
    if (tabs.includes(target)) open(target);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -tabs.length, End: tabs.length }[event.key];
    if (!step) return;
    event.preventDefault();
    const last = tabs.length - 1;
    const here = tabs.indexOf(document.activeElement);
    const place = Math.abs(step) > 1 ? (step < 0 ? 0 : last) : (here + step + tabs.length) % tabs.length;
    tabs[place].focus();
    open(tabs[place]);
  });
  return (id) => open(byId(id));
}
