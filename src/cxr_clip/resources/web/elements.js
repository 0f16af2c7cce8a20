// Elements made by name: what a server or a file says goes in as text, never as markup.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "role" || key.startsWith("aria-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const paragraph = (className, textContent) => element("p", { className, textContent });

export const button = (textContent, onclick, properties = {}) =>
  element("button", { type: "button", textContent, onclick, ...properties });

export const byId = (id) => document.getElementById(id);

// Says something to people who listen, and shows it in the foot of the page.
export function say(sentence) {
  byId("status").textContent = sentence;
}

// A refusal in the server's own sentence, with a way to try again where that may help.
export function refusal(error, retry) {
  return element(
    "div",
    { className: "refusal", role: "alert" },
    element("p", { textContent: error.message }),
    retry && error.mayPass !== false ? button("Try again", retry) : null,
  );
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
