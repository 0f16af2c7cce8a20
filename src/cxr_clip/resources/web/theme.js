// The theme: what the system prefers, or what was chosen here last. A plain script, so that the first paint has it.
(() => {
  const KEY = "cxr-clip.theme";
  const root = document.documentElement;
  const light = matchMedia("(prefers-color-scheme: light)");

  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is forbidden: the system decides
    }
  }

  function apply(button) {
    root.dataset.theme = chosen() ?? (light.matches ? "light" : "dark");
    if (button) button.textContent = root.dataset.theme === "dark" ? "Light theme" : "Dark theme";
  }

  apply(null);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    apply(button);
    light.addEventListener("change", () => apply(button));
    button.addEventListener("click", () => {
      const other = root.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(KEY, other);
        apply(button);
      } catch {
        root.dataset.theme = other;
      }
    });
  });
})();
